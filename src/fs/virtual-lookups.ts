// Lookups of virtual files: the control thread makes their content, and the namespace thread goes on meanwhile.

import { performance } from 'node:perf_hooks';
import type { VirtualName } from '../overlay/namespace/virtual-file.js';

/** What the control thread sends back for a lookup. */
export interface MadeContent {
  readonly lookup: number;
  /** null: it could not be made */
  readonly content: Uint8Array | null;
}

/** A request that waits for its answer. */
export interface WaitingLookup {
  readonly name: VirtualName;
  /** of the directory */
  readonly row: number;
  readonly uniqueLow: number;
  readonly uniqueHigh: number;
  /** where the answer must be written to */
  readonly device: number;
  /** when the request arrived, by this thread's performance.now() */
  readonly arrived: number;
}

/** How long the control thread may take, in ms: nobody waits for one that hangs. */
const PATIENCE = 10_000;

export interface VirtualLookupsOptions {
  /** asks the control thread for the content of a file */
  ask(lookup: number, name: VirtualName): void;
  /** answers the kernel; null: with EIO */
  answer(waiting: WaitingLookup, content: Uint8Array | null): void;
}

export class VirtualLookups {
  readonly #options: VirtualLookupsOptions;
  readonly #waiting = new Map<number, WaitingLookup>();
  #next = 1;

  constructor(options: VirtualLookupsOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  begin(lookup: WaitingLookup): void {
    const number = this.#next++;
    this.#waiting.set(number, lookup);
    this.#options.ask(number, lookup.name);
  }

  /** The content has come; too late where the lookup has been given up. */
  end({ lookup, content }: MadeContent): void {
    const waiting = this.#waiting.get(lookup);
    if (waiting === undefined) return;
    this.#waiting.delete(lookup);
    this.#options.answer(waiting, content);
  }

  /** Gives up what has waited too long. */
  expire(now = performance.now()): void {
    for (const [number, waiting] of this.#waiting) {
      if (now - waiting.arrived < PATIENCE) return;
      this.#waiting.delete(number);
      this.#options.answer(waiting, null);
    }
  }
}
