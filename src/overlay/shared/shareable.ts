// Memory for all threads, or the reason why there is none.

import { PbkfsError } from '../../errors.js';
import { MEMORY_HINT } from '../../sys/counted-memory.js';

/** @throws PbkfsError no_memory, which names what it was for */
export function shareable(bytes: number, options: { maxByteLength?: number }, what: string): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes, options);
  } catch (cause) {
    const asked = Math.floor((options.maxByteLength ?? bytes) / 2 ** 20);
    throw new PbkfsError('no_memory', `no memory for ${what}: ${asked} MiB of address space`, {
      hint: MEMORY_HINT,
      cause,
    });
  }
}
