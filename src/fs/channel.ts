// How a data thread talks to the namespace thread: two request buffers it hands over, and one mailbox for questions.
//
//   data thread                                   namespace thread
//   read(2) into a free slot
//   slot state FREE -> POSTED, ring the bell  ──▶ answers the kernel itself, on the device fd the request came from
//   reads the next request into the other slot    slot state -> FREE
//
//   nobody waits for a FORGET: it rings only if the namespace thread would not look for long, or if its slot is needed
//
//   question state -> ASKED, ring the bell    ──▶ works, writes errno and text
//   sleeps until ANSWERED                     ◀── question state -> ANSWERED
//
// The namespace thread never waits for a data thread.

import { clockOffset } from '../metrics/clock.js';
import { shareable } from '../overlay/shared/shareable.js';
import { control } from '../overlay/shared/shared-state.js';
import { opcode, REQUEST_BUFFER } from './protocol/constants.js';
import { Request } from './protocol/request.js';

const SLOTS = 2;
const ANSWER_BYTES = 1 << 20;
/** What memory for answers grows to: where a file lies takes half a KiB for each backup that has stored it, more under long names. */
const MOST_ANSWER_BYTES = 1 << 25;

const word = {
  slot0: 0,
  slot1: 1,
  question: 2,
  kind: 3,
  row: 4,
  generation: 5,
  errno: 6,
  length: 7,
  device: 8,
  said: 9,
} as const;
/** awaited: posted, and the data thread sleeps until it is free. */
const slotState = { free: 0, posted: 1, awaited: 2 } as const;
/** Bytes of the words; behind them the times at which the requests in the slots arrived. */
const WORD_BYTES = 64;
const questionState = { none: 0, asked: 1, answered: 2 } as const;

/** What a data thread may ask. */
export const question = {
  /** where the blocks of a file of the backup lie: JSON of a FileSource, with the identities of its stored files if they are known */
  describe: 1,
  /** load the block map of a file that has an object */
  loadDiff: 2,
  /** give a file of the backup an object */
  ensureObject: 3,
  /** files with data that was not synced yet, kept from being forgotten: JSON of HeldFiles; row and generation are the words of where to go on */
  holdUnsynced: 4,
  /** one of those may be forgotten again */
  release: 5,
  /** what this thread has found the stored files of a file to be, as JSON; the answer is what counts, since another one was first */
  identify: 6,
} as const;

export interface ChannelBuffers {
  words: SharedArrayBuffer;
  slots: SharedArrayBuffer[];
  answer: SharedArrayBuffer;
}

export class Channel {
  readonly buffers: ChannelBuffers;
  readonly requests: readonly Request[];
  readonly #words: Int32Array;
  readonly #arrived: Float64Array;
  #answer: Buffer;
  readonly #control: Int32Array;
  /** a slot was posted since the last ring */
  #isUnrung = false;

  constructor(buffers: ChannelBuffers, controlWords: Int32Array) {
    this.buffers = buffers;
    this.requests = buffers.slots.map((slot) => new Request(slot));
    this.#words = new Int32Array(buffers.words, 0, WORD_BYTES / 4);
    this.#arrived = new Float64Array(buffers.words, WORD_BYTES, SLOTS);
    this.#answer = Buffer.from(buffers.answer as unknown as ArrayBuffer);
    this.#control = controlWords;
  }

  static create(controlWords: Int32Array, device: number): Channel {
    const slots = Array.from({ length: SLOTS }, () => new SharedArrayBuffer(REQUEST_BUFFER));
    const buffers = {
      words: new SharedArrayBuffer(WORD_BYTES + SLOTS * 8),
      slots,
      answer: shareable(ANSWER_BYTES, { maxByteLength: MOST_ANSWER_BYTES }, 'answers to a data thread'),
    };
    const channel = new Channel(buffers, controlWords);
    channel.#words[word.device] = device;
    return channel;
  }

  /** The device fd this channel's requests are read from, and their replies must be written to. */
  get device(): number {
    return this.#words[word.device]!;
  }

  /** Data thread: sleeps until the namespace thread has given a slot back. */
  waitUntilFree(slot: number): void {
    if (Atomics.load(this.#words, slot) === slotState.free) return;
    if (this.#isUnrung) this.#ring();
    Atomics.compareExchange(this.#words, slot, slotState.posted, slotState.awaited);
    while (Atomics.load(this.#words, slot) !== slotState.free) Atomics.wait(this.#words, slot, slotState.awaited);
  }

  /** Data thread: hands the request in a slot over. @param arrived by this thread's performance.now() */
  post(slot: number, arrived: number): void {
    this.#arrived[slot] = arrived + clockOffset;
    const { opcode: code } = this.requests[slot]!;
    const mayWait = code === opcode.FORGET || code === opcode.BATCH_FORGET;
    Atomics.store(this.#words, slot, slotState.posted);
    if (mayWait && Atomics.load(this.#control, control.namespaceRests) === 0) this.#isUnrung = true;
    else this.#ring();
  }

  /** Data thread: asks and sleeps until the answer is there. Returns its text; a failure is thrown with its code. */
  ask(kind: number, row: number, generation: number, said = ''): string {
    this.#words[word.said] = said === '' ? 0 : this.#room(Buffer.byteLength(said)).write(said, 'utf8');
    this.#words[word.kind] = kind;
    this.#words[word.row] = row;
    this.#words[word.generation] = generation;
    Atomics.store(this.#words, word.question, questionState.asked);
    this.#ring();
    while (Atomics.load(this.#words, word.question) === questionState.asked) {
      Atomics.wait(this.#words, word.question, questionState.asked);
    }
    const length = this.#words[word.length]!;
    const text = this.#room(length).toString('utf8', 0, length);
    if (this.#words[word.errno] === 0) return text;
    throw Object.assign(new Error(), JSON.parse(text) as { code: string; message: string; syscall?: string });
  }

  #ring(): void {
    this.#isUnrung = false;
    ringBell(this.#control);
  }

  /** Namespace thread: the slots with a request. */
  isPosted(slot: number): boolean {
    return Atomics.load(this.#words, slot) !== slotState.free;
  }

  /** Namespace thread: when the request in a slot arrived, by this thread's performance.now(). */
  arrived(slot: number): number {
    return this.#arrived[slot]! - clockOffset;
  }

  /** Namespace thread: gives a slot back. */
  release(slot: number): void {
    if (Atomics.exchange(this.#words, slot, slotState.free) === slotState.awaited) Atomics.notify(this.#words, slot);
  }

  /** Namespace thread: answers the question if there is one. */
  answerQuestion(answer: (kind: number, row: number, generation: number, said: string) => string): boolean {
    if (Atomics.load(this.#words, word.question) !== questionState.asked) return false;
    let text: string;
    let room = this.#answer;
    let failed = 0;
    try {
      const said = this.#words[word.said]!;
      const saying = said === 0 ? '' : this.#room(said).toString('utf8', 0, said);
      text = answer(this.#words[word.kind]!, this.#words[word.row]!, this.#words[word.generation]!, saying);
      room = this.#room(Buffer.byteLength(text));
    } catch (error) {
      const { code, message, syscall } = error as NodeJS.ErrnoException;
      text = JSON.stringify({ code: code ?? 'EIO', message, syscall });
      failed = 1;
    }
    this.#words[word.length] = room.write(text, 'utf8');
    this.#words[word.errno] = failed;
    Atomics.store(this.#words, word.question, questionState.answered);
    Atomics.notify(this.#words, word.question);
    return true;
  }

  /** Memory for an answer of so many bytes. @throws RangeError when there is no more */
  #room(bytes: number): Buffer {
    if (bytes <= this.#answer.length) return this.#answer;
    const { answer } = this.buffers;
    if (bytes > answer.byteLength) answer.grow(bytes);
    this.#answer = Buffer.from(answer as unknown as ArrayBuffer);
    return this.#answer;
  }
}

/** A count, which may be beyond 2^32, as the two words of a question. */
export function wordsOf(count: number): [low: number, high: number] {
  return [count | 0, Math.floor(count / 2 ** 32)];
}

/** The count that two words say. */
export function countOf(low: number, high: number): number {
  return (low >>> 0) + high * 2 ** 32;
}

/** Wakes the namespace thread. */
export function ringBell(controlWords: Int32Array): void {
  Atomics.add(controlWords, control.bell, 1);
  Atomics.notify(controlWords, control.bell, 1);
}
