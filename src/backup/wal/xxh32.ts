// xxHash32 with seed 0, the checksum inside LZ4 frames (github.com/Cyan4973/xxHash, doc/xxhash_spec.md).

const P1 = 0x9e3779b1;
const P2 = 0x85ebca77;
const P3 = 0xc2b2ae3d;
const P4 = 0x27d4eb2f;
const P5 = 0x165667b1;

/** @returns an unsigned 32-bit number */
export function xxh32(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { imul } = Math;
  const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));
  let at = 0;
  let hash = P5;
  if (bytes.length >= 16) {
    let [a, b, c, d] = [(P1 + P2) | 0, P2 | 0, 0, -P1 | 0];
    for (; at <= bytes.length - 16; at += 16) {
      a = imul(rotate((a + imul(view.getInt32(at, true), P2)) | 0, 13), P1);
      b = imul(rotate((b + imul(view.getInt32(at + 4, true), P2)) | 0, 13), P1);
      c = imul(rotate((c + imul(view.getInt32(at + 8, true), P2)) | 0, 13), P1);
      d = imul(rotate((d + imul(view.getInt32(at + 12, true), P2)) | 0, 13), P1);
    }
    hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
  }
  hash = (hash + bytes.length) | 0;
  for (; at <= bytes.length - 4; at += 4) {
    hash = imul(rotate((hash + imul(view.getInt32(at, true), P3)) | 0, 17), P4);
  }
  for (; at < bytes.length; at++) hash = imul(rotate((hash + imul(bytes[at]!, P5)) | 0, 11), P1);
  hash = imul(hash ^ (hash >>> 15), P2);
  hash = imul(hash ^ (hash >>> 13), P3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
