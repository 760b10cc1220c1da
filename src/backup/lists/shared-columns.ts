// Columns in memory that threads can share.
//
// They may be made much larger than needed: memory that nobody writes to is only reserved. Growing by copies costs more,
// because the old copy stays in memory until the next garbage collection.

export type Words = Uint32Array<SharedArrayBuffer>;

export function words(length: number): Words {
  return new Uint32Array(new SharedArrayBuffer(4 * length));
}

export function octets(length: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(length));
}

/** A larger column that begins with the content of `from`. @param length in elements */
export function moreWords(from: Uint32Array, length: number): Words {
  const to = words(length);
  to.set(from);
  return to;
}

export function moreOctets(from: Uint8Array, length: number): Buffer {
  const to = octets(length);
  to.set(from);
  return to;
}
