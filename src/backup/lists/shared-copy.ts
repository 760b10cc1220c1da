// Columns in memory that threads can share, no larger than they need to be.

type Column = Uint8Array | Uint32Array | Int32Array;

/** The column itself if it is alone in shared memory, else a copy that is. */
export function shared<T extends Column>(column: T): T {
  const { buffer, byteLength } = column;
  if (buffer instanceof SharedArrayBuffer && buffer.byteLength === byteLength) return column;
  const memory = new SharedArrayBuffer(byteLength);
  const copy =
    column instanceof Uint8Array
      ? new Uint8Array(memory)
      : column instanceof Int32Array
        ? new Int32Array(memory)
        : new Uint32Array(memory);
  copy.set(column);
  return copy as T;
}
