// One inflate state of Node's own zlib, kept and reset between pages: setting a stream up costs as much as a page does.

import zlib from 'node:zlib';

/** Inflates input[start, end) from its beginning. @returns bytes made; throws Error with zlib's message */
export type Inflate = (input: Uint8Array, start: number, end: number, out: Uint8Array) => number;

/** What node:zlib's streams work on, the same in Node 20, 22, 24 and 26; minizlib, which npm uses, leans on it as well. */
interface ZlibHandle {
  reset(): void;
  /** Leaves free room of the output and unread bytes of the input in the stream's _writeState. */
  writeSync(
    flush: number,
    input: Uint8Array,
    at: number,
    size: number,
    out: Uint8Array,
    to: number,
    room: number,
  ): void;
  onerror(message: string, errno: number, code: string): void;
}

const { Z_FINISH } = zlib.constants;

/**
 * An inflate that keeps its state. Output must have more room than a right stream makes: only then does zlib tell a
 * stream that is cut off from one that ended.
 * @returns null where this Node's streams are made otherwise: the handle must decide as inflateSync does for the probes
 */
export function reusableInflate(): Inflate | null {
  try {
    const inflate = reusing(zlib.createInflate() as unknown as Partial<Record<string, unknown>>);
    return inflate !== null && probes.every((probe) => agrees(inflate, probe)) ? inflate : null;
  } catch {
    return null;
  }
}

function reusing(stream: Partial<Record<string, unknown>>): Inflate | null {
  const handle = stream._handle as ZlibHandle | undefined;
  const state = stream._writeState;
  if (typeof handle?.writeSync !== 'function' || typeof handle.reset !== 'function') return null;
  if (!(state instanceof Uint32Array) || state.length !== 2) return null;
  let failure = '';
  // In the place of the stream's own, which would destroy the stream.
  handle.onerror = (message) => {
    failure = message;
  };
  return (input, start, end, out) => {
    // The handle takes a range outside of the buffer for a fault of Node and ends the process.
    if (start < 0 || start > end || end > input.length) throw new RangeError(`bytes ${start} to ${end}`);
    handle.reset();
    failure = '';
    handle.writeSync(Z_FINISH, input, start, end - start, out, 0, out.length);
    if (failure !== '') throw new Error(failure);
    return out.length - state[0]!;
  };
}

const PROBE_SIZE = 100;
const probe = zlib.deflateSync(Buffer.alloc(PROBE_SIZE, 'probe'));
const damaged = Buffer.from(probe);
damaged[damaged.length - 1]! ^= 1;
/** Good, cut within the data and within the checksum, wrong checksum, no zlib at all, nothing; and good again after all these. */
const probes = [
  probe,
  probe.subarray(0, 5),
  probe.subarray(0, -1),
  damaged,
  probe.subarray(3),
  probe.subarray(0, 0),
  probe,
];

function agrees(inflate: Inflate, input: Uint8Array): boolean {
  return (
    outcome(() => zlib.inflateSync(input)) ===
    outcome(() => {
      const out = Buffer.alloc(PROBE_SIZE + 1);
      return out.subarray(0, inflate(input, 0, input.length, out));
    })
  );
}

function outcome(decode: () => Buffer): string {
  try {
    return `made ${decode().toString('hex')}`;
  } catch (error) {
    return (error as Error).message;
  }
}
