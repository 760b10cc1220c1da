// pglz and lz4 in WebAssembly (assembly/lz.ts): 1.8 and 1.3 µs for a page of pgbench that JavaScript takes 5.8 and 8.7 for, from
// the first page on, since all threads of a process share what has been compiled.

import { BLCKSZ } from '../constants.js';
import type { WebAssemblyInterface } from '../web-assembly.js';
import { LZ_MODULE } from './lz-module.js';

interface LzModule {
  readonly memory: { readonly buffer: ArrayBuffer };
  input(): number;
  page(): number;
  pglz(length: number): number;
  lz4(length: number): number;
}

interface Lz {
  readonly module: LzModule;
  /** of the module's memory */
  readonly input: Buffer;
  readonly page: Buffer;
}

/** Of this thread. undefined: not made yet; null: this Node has no WebAssembly (--jitless), or no room for its memory. */
let lz: Lz | null | undefined;

/**
 * Decodes source[start, end) into exactly 8192 bytes at `offset` of `out`.
 * @returns false where it cannot, because the payload is wrong or for another reason: `out` is as it was
 */
export function decodeByWasm(
  alg: 'pglz' | 'lz4',
  source: Buffer,
  start: number,
  end: number,
  out: Uint8Array,
  offset: number,
): boolean {
  if (lz === undefined) lz = instantiate();
  if (lz === null || end - start > BLCKSZ) return false;
  const { module, input, page } = lz;
  source.copy(input, 0, start, end);
  const made = alg === 'pglz' ? module.pglz(end - start) : module.lz4(end - start);
  if (made === 0) return false;
  page.copy(out, offset, 0, BLCKSZ);
  return true;
}

function instantiate(): Lz | null {
  try {
    const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyInterface };
    const bytes = Buffer.from(LZ_MODULE, 'base64');
    const module = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as LzModule;
    const part = (at: number): Buffer => Buffer.from(module.memory.buffer, at, BLCKSZ);
    return { module, input: part(module.input()), page: part(module.page()) };
  } catch {
    return null;
  }
}
