// Byte strings by number and numbers by byte string, for millions of them: typed arrays, and no object a string.

import { moreOctets, moreWords, octets, words } from './shared-columns.js';

/** A table's content, to be shared between threads or written to a file. */
export interface KeyTableData {
  readonly count: number;
  /** The number that belongs to each key. */
  readonly tags: Uint32Array;
  /** Where each key begins in `bytes`; one more for the end of the last. */
  readonly starts: Uint32Array;
  readonly bytes: Uint8Array;
  /** Open addressing, key + 1, 0 = free; a power of two of them. */
  readonly slots: Int32Array;
}

/** Keys are (tag, bytes); they are numbered from 0 in the order in which they came. */
export class KeyTable {
  #count = 0;
  #tags: Uint32Array;
  #starts: Uint32Array;
  #bytes: Buffer;
  #slots: Int32Array;

  /**
   * @param expected how many keys there will be, roughly
   * @param room for how many keys memory is reserved
   */
  constructor(expected = 8, room = expected) {
    const keys = Math.max(8, room);
    this.#tags = words(keys);
    this.#starts = words(keys + 1);
    this.#bytes = octets(keys * 12);
    this.#slots = slotsFor(expected);
  }

  static from({ count, tags, starts, bytes, slots }: KeyTableData): KeyTable {
    const table = new KeyTable();
    table.#count = count;
    table.#tags = tags;
    table.#starts = starts;
    table.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    table.#slots = slots;
    return table;
  }

  get count(): number {
    return this.#count;
  }

  /** Views on the table's own memory, as long as it has keys. */
  data(): KeyTableData {
    const count = this.#count;
    return {
      count,
      tags: this.#tags.subarray(0, count),
      starts: this.#starts.subarray(0, count + 1),
      bytes: this.#bytes.subarray(0, this.#starts[count]),
      slots: this.#slots,
    };
  }

  /** @returns the key's number, or -1 */
  find(from: Uint8Array, start: number, end: number, tag: number): number {
    return this.#slots[this.#slotOf(from, start, end, tag)]! - 1;
  }

  /** The same where it is likely that the number is `guess`. */
  findNear(from: Uint8Array, start: number, end: number, tag: number, guess: number): number {
    if (guess < this.#count && this.#isAt(guess, from, start, end, tag)) return guess;
    return this.find(from, start, end, tag);
  }

  /** Adds a key unless it is there. @returns its number; it is new if that is what `count` was before */
  add(from: Uint8Array, start: number, end: number, tag: number): number {
    const slot = this.#slotOf(from, start, end, tag);
    const known = this.#slots[slot]! - 1;
    if (known >= 0) return known;
    const key = this.#count;
    const at = this.#starts[key]!;
    const after = at + end - start;
    this.#makeRoom(key, after);
    const bytes = this.#bytes;
    for (let i = start, to = at; i < end; i++, to++) bytes[to] = from[i]!;
    this.#tags[key] = tag;
    this.#starts[key + 1] = after;
    this.#slots[slot] = key + 1;
    this.#count = key + 1;
    if (this.#count * 3 > this.#slots.length * 2) this.#rehash(this.#slots.length * 2);
    return key;
  }

  tag(key: number): number {
    return this.#tags[key]!;
  }

  /** The bytes of a key as a latin1 string. */
  text(key: number): string {
    return this.#bytes.toString('latin1', this.#starts[key]!, this.#starts[key + 1]!);
  }

  /** The slot of a key: the one that holds it, else the free one where it belongs. */
  #slotOf(from: Uint8Array, start: number, end: number, tag: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash(from, start, end, tag) & mask;
    for (;;) {
      const key = slots[slot]! - 1;
      if (key < 0 || this.#isAt(key, from, start, end, tag)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #isAt(key: number, from: Uint8Array, start: number, end: number, tag: number): boolean {
    const own = this.#starts[key]!;
    if (this.#tags[key] !== tag || this.#starts[key + 1]! - own !== end - start) return false;
    const bytes = this.#bytes;
    // Names of one directory differ at their end.
    for (let i = end - 1, at = own + end - 1 - start; i >= start; i--, at--) if (bytes[at] !== from[i]) return false;
    return true;
  }

  #makeRoom(key: number, bytes: number): void {
    if (bytes > MAX_BYTES) throw new RangeError('a list of files has more than 4 GiB of names');
    if (key >= this.#tags.length) {
      const room = Math.ceil(key * 1.5) + 8;
      this.#tags = moreWords(this.#tags, room);
      this.#starts = moreWords(this.#starts, room + 1);
    }
    if (bytes > this.#bytes.length) this.#bytes = moreOctets(this.#bytes, Math.ceil(bytes * 1.5));
  }

  #rehash(length: number): void {
    const slots = newSlots(length);
    const mask = length - 1;
    for (let key = 0; key < this.#count; key++) {
      let slot = hash(this.#bytes, this.#starts[key]!, this.#starts[key + 1]!, this.#tags[key]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = key + 1;
    }
    this.#slots = slots;
  }
}

const MAX_BYTES = 2 ** 32 - 1;

function slotsFor(keys: number): Int32Array {
  return newSlots(2 ** Math.ceil(Math.log2(Math.max(8, keys) * 1.5)));
}

function newSlots(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * length));
}

/** FNV-1a with a final mixing: names of relations are numbers in a row, which it alone would put side by side. */
function hash(from: Uint8Array, start: number, end: number, tag: number): number {
  let h = Math.imul(tag ^ 0x811c9dc5, 0x9e3779b1);
  for (let i = start; i < end; i++) h = Math.imul(h ^ from[i]!, 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
