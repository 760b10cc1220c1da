// Cuts the power of a disk right before a chosen system call of this process, so that every moment between two of them
// can be tried and tried again. It can also forget to sync: faults that the tests must find.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { ForgetfulDisk } from './forgetful-disk.js';

/** Calls that change something, or make a change durable. */
const counted = [
  'openSync',
  'writeSync',
  'ftruncateSync',
  'truncateSync',
  'fdatasyncSync',
  'fsyncSync',
  'renameSync',
  'unlinkSync',
  'mkdirSync',
] as const;

export class PowerSwitch {
  #left = Number.POSITIVE_INFINITY;
  #calls = 0;
  /** Syncs of files whose path matches are left out. */
  #forgotten: RegExp | undefined;
  readonly #restore: () => void;

  constructor(disk: ForgetfulDisk) {
    const table = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
    const original = new Map(counted.map((name) => [name, table[name]!]));
    for (const [name, call] of original) {
      table[name] = (...args) => {
        this.#calls++;
        if (--this.#left <= 0) disk.cut();
        const isSync = name === 'fdatasyncSync' || name === 'fsyncSync';
        if (isSync && this.#forgotten?.test(fs.readlinkSync(`/proc/self/fd/${args[0]}`))) return undefined;
        return call(...args);
      };
    }
    syncBuiltinESMExports();
    this.#restore = () => {
      for (const [name, call] of original) table[name] = call;
      syncBuiltinESMExports();
    };
  }

  /** Calls made so far. */
  get calls(): number {
    return this.#calls;
  }

  /** Cuts before the `calls`-th call from now. */
  arm(calls: number): void {
    this.#left = calls;
  }

  disarm(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }

  /** A seeded fault: syncs of these files do nothing. */
  forget(path: RegExp | undefined): void {
    this.#forgotten = path;
  }

  /** Node's own functions again. */
  remove(): void {
    this.#restore();
  }
}
