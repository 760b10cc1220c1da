// The places in the backups that were refused last, told by the thread that refused them and read for a scrape.

import { withLock } from '../../pending/mutex.js';

/** What was refused: bytes of a page stream or of a raw file, or anything of a backup that has changed. */
export type RefusalKind = 'page' | 'raw' | 'changed';

export interface Refusal {
  readonly kind: RefusalKind;
  readonly backup: string;
  readonly file: string;
  /** missing where it is not about a block */
  readonly block?: number;
}

/** Places that are remembered: a metric with a label for each of them stays small. */
const PLACES = 16;
/** Bytes of one place: u32 times refused, u32 length, JSON, in which a character takes six bytes at most. */
const PLACE_BYTES = 2048;
const HEAD_BYTES = 8;
/** Words before the places: the lock, and where the next new one goes. */
const LOCK = 0;
const NEXT = 1;

/** One memory, seen by any number of threads. */
export class Refusals {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(HEAD_BYTES + PLACES * PLACE_BYTES);
  }

  /** Counts a refusal; a new place takes that of the one which was new longest ago. */
  note({ kind, backup, file, block }: Refusal): void {
    const text = Buffer.from(JSON.stringify({ kind, backup, file: file.slice(-300), block })).subarray(
      0,
      PLACE_BYTES - 8,
    );
    withLock(this.#words, LOCK, () => {
      for (let place = 0; place < PLACES; place++) {
        if (text.equals(this.#text(place))) {
          this.#words[wordOf(place)]! += 1;
          return;
        }
      }
      const place = this.#words[NEXT]! % PLACES;
      this.#words[NEXT] = place + 1;
      this.#words[wordOf(place)] = 1;
      this.#words[wordOf(place) + 1] = text.length;
      this.#bytes.set(text, wordOf(place) * 4 + 8);
    });
  }

  /** The places, and how often each was refused. */
  list(): { readonly refusal: Refusal; readonly times: number }[] {
    return withLock(this.#words, LOCK, () => {
      const found: { refusal: Refusal; times: number }[] = [];
      for (let place = 0; place < PLACES; place++) {
        const times = this.#words[wordOf(place)]!;
        if (times > 0) found.push({ refusal: JSON.parse(this.#text(place).toString()) as Refusal, times });
      }
      return found;
    });
  }

  #text(place: number): Buffer {
    const start = wordOf(place) * 4 + 8;
    return Buffer.from(this.#bytes.subarray(start, start + this.#words[wordOf(place) + 1]!));
  }
}

function wordOf(place: number): number {
  return (HEAD_BYTES + place * PLACE_BYTES) / 4;
}
