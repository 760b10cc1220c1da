// pread(2) and write(2) that use the same memory again and again: after a while straight through the C library.
//
// A call of node:fs looks a trace category up by its name, checks what it is given and fills in a request object: 0.2 µs
// more than koffi takes for the same system call, three times for every READ of the kernel.

import fs from 'node:fs';
import { bindCall } from './libc.js';

// node:fs has so many names that V8 does not remember where one is: looking it up costs a call itself.
const { readSync, writeSync } = fs;

type Call = (...args: readonly unknown[]) => number;

interface Calls {
  readonly pread: Call;
  readonly write: Call;
}

/** Uses of the same memory. Loading koffi costs a thread 6 ms and 0.5 MB: one that has little to do never does. */
const MANY = 1000;

/** Of this thread. undefined: nobody has needed them; null: the C library cannot be called, node:fs does it all. */
let calls: Calls | null | undefined;

function bind(): void {
  try {
    calls = {
      pread: bindCall('int pread(int fd, void *into, uint32_t length, int64_t position)'),
      write: bindCall('int write(int fd, const void *from, uint32_t length)'),
    };
  } catch {
    calls = null;
  }
}

/**
 * The stretch of memory that one place of one thread uses again and again; with any other its methods work as well, and
 * slower. What fails in the C library is done once more by node:fs, which tells why: nothing has been read or written
 * then, and errno may be another call's by the time one can ask for it.
 */
export class SteadyMemory {
  #bytes: Uint8Array | null = null;
  #offset = 0;
  #uses = 0;
  /** from the offset on to the end, as soon as it has been used often enough; it keeps the memory from being collected */
  #stretch: Uint8Array | null = null;

  /** pread(2) to bytes[offset, offset + length). @throws a system error */
  pread(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number {
    if (this.#isSteady(bytes, offset, length)) {
      const got = calls!.pread(fd, this.#stretch, length, position);
      if (got >= 0) return got;
    }
    return readSync(fd, bytes, offset, length, position);
  }

  /** pread(2) until `length` bytes are there or the file ends; returns how many there are. @throws a system error */
  preadAll(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number {
    let done = 0;
    while (done < length) {
      const part = this.pread(fd, bytes, offset + done, length - done, position + done);
      if (part === 0) break;
      done += part;
    }
    return done;
  }

  /** write(2) of bytes[offset, offset + length). @throws a system error */
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number {
    if (this.#isSteady(bytes, offset, length)) {
      const done = calls!.write(fd, this.#stretch, length);
      if (done >= 0) return done;
    }
    const done = writeSync(fd, bytes, offset, length, null);
    // Behind a reply that has been sent nobody waits for koffi to be loaded.
    if (calls === undefined && this.#uses >= MANY) bind();
    return done;
  }

  #isSteady(bytes: Uint8Array, offset: number, length: number): boolean {
    if (bytes !== this.#bytes || offset !== this.#offset) {
      if (this.#stretch === null) {
        this.#bytes = bytes;
        this.#offset = offset;
        this.#uses = 0;
      }
      return false;
    }
    if (this.#stretch === null) {
      if (++this.#uses < MANY || !calls) return false;
      this.#stretch = bytes.subarray(offset);
    }
    return length <= this.#stretch.length;
  }
}
