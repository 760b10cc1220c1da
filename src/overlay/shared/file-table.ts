// The file table: one row of shared memory for every inode the kernel knows, so that data threads can answer
// READ, WRITE and GETATTR without asking the namespace thread.
//
// A nodeid is (generation << 32 | row). The kernel's root nodeid 1 is row 1 of generation 0. A row is handed out and
// recycled by the namespace thread only; between a request's arrival and its reply the kernel holds a reference, so a
// row cannot be recycled under a request. Nothing may touch a row after the reply that ended the request.

import { lock, unlock } from '../../pending/mutex.js';
import type { Attributes } from './attributes.js';
import { double, OBJECT_WORDS, ROW_BYTES, rowKind, word } from './row-layout.js';
import { shareable } from './shareable.js';
import { nanosecondsOf, secondsOf } from './timestamp.js';

const wordFields = ['mode', 'uid', 'gid', 'nlink', 'rdev', 'atimeNsec', 'mtimeNsec', 'ctimeNsec'] as const;
const doubleFields = ['ino', 'size', 'atime', 'mtime', 'ctime'] as const;

const ROW_WORDS = ROW_BYTES / 4;
const ROW_DOUBLES = ROW_BYTES / 8;

export class FileTable {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly rows: number;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.doubles = new Float64Array(buffer);
    this.rows = Math.floor(buffer.byteLength / ROW_BYTES);
  }

  /** @throws PbkfsError no_memory */
  static create(rows: number): FileTable {
    return new FileTable(shareable(rows * ROW_BYTES, {}, 'the table of files'));
  }

  /** Index of a row's first 32-bit word. */
  wordBase(row: number): number {
    return row * ROW_WORDS;
  }

  /** Index of a row's first 64-bit word. */
  doubleBase(row: number): number {
    return row * ROW_DOUBLES;
  }

  /** Word index of a row's sequence barrier. */
  barrier(row: number): number {
    return row * ROW_WORDS + word.barrier;
  }

  get(row: number, field: number): number {
    return Atomics.load(this.words, row * ROW_WORDS + field);
  }

  set(row: number, field: number, value: number): void {
    Atomics.store(this.words, row * ROW_WORDS + field, value);
  }

  getDouble(row: number, field: number): number {
    return this.doubles[row * ROW_DOUBLES + field]!;
  }

  setDouble(row: number, field: number, value: number): void {
    this.doubles[row * ROW_DOUBLES + field] = value;
  }

  hasFlag(row: number, flag: number): boolean {
    return (this.get(row, word.flags) & flag) !== 0;
  }

  addFlag(row: number, flag: number): void {
    Atomics.or(this.words, row * ROW_WORDS + word.flags, flag);
  }

  /** Clears a flag and tells whether it was set. */
  takeFlag(row: number, flag: number): boolean {
    return (Atomics.and(this.words, row * ROW_WORDS + word.flags, ~flag) & flag) !== 0;
  }

  /** Whether `row` is in use under `generation`, that is, whether a nodeid is alive. */
  isLive(row: number, generation: number): boolean {
    return (
      row > 0 &&
      row < this.rows &&
      this.get(row, word.kind) !== rowKind.free &&
      this.get(row, word.generation) === (generation | 0)
    );
  }

  /** Whether the kernel reads and writes the row's object by itself. */
  isPassthrough(row: number): boolean {
    return this.get(row, word.kind) === rowKind.passthrough;
  }

  /** Id of the object that holds the row's data, or will: 32 hex digits. */
  objectId(row: number): string {
    let id = '';
    for (let i = 0; i < OBJECT_WORDS; i++) {
      id += (this.get(row, word.object + i) >>> 0).toString(16).padStart(8, '0');
    }
    return id;
  }

  setObjectId(row: number, id: string): void {
    for (let i = 0; i < OBJECT_WORDS; i++) {
      this.set(row, word.object + i, Number.parseInt(id.slice(i * 8, i * 8 + 8), 16) | 0);
    }
  }

  /** Runs `change` while nobody else reads or changes the row's attributes. */
  locked(row: number, change: () => void): void {
    const at = row * ROW_WORDS + word.attributeLock;
    lock(this.words, at);
    try {
      change();
    } finally {
      unlock(this.words, at);
    }
  }

  /** Reads all attributes of a row as one consistent set. */
  readAttributes(row: number, into: Attributes): void {
    const w = row * ROW_WORDS;
    const d = row * ROW_DOUBLES;
    lock(this.words, w + word.attributeLock);
    into.ino = this.doubles[d + double.ino]!;
    into.size = this.doubles[d + double.size]!;
    into.mode = this.words[w + word.mode]!;
    into.uid = this.words[w + word.uid]! >>> 0;
    into.gid = this.words[w + word.gid]! >>> 0;
    into.nlink = this.words[w + word.nlink]!;
    into.rdev = this.words[w + word.rdev]! >>> 0;
    into.atime = this.doubles[d + double.atime]!;
    into.atimeNsec = this.words[w + word.atimeNsec]!;
    into.mtime = this.doubles[d + double.mtime]!;
    into.mtimeNsec = this.words[w + word.mtimeNsec]!;
    into.ctime = this.doubles[d + double.ctime]!;
    into.ctimeNsec = this.words[w + word.ctimeNsec]!;
    unlock(this.words, w + word.attributeLock);
  }

  /** Replaces all attributes of a row. */
  writeAttributes(row: number, from: Readonly<Attributes>): void {
    const w = row * ROW_WORDS;
    const d = row * ROW_DOUBLES;
    lock(this.words, w + word.attributeLock);
    this.doubles[d + double.ino] = from.ino;
    this.doubles[d + double.size] = from.size;
    this.words[w + word.mode] = from.mode;
    this.words[w + word.uid] = from.uid;
    this.words[w + word.gid] = from.gid;
    this.words[w + word.nlink] = from.nlink;
    this.words[w + word.rdev] = from.rdev;
    this.doubles[d + double.atime] = from.atime;
    this.words[w + word.atimeNsec] = from.atimeNsec;
    this.doubles[d + double.mtime] = from.mtime;
    this.words[w + word.mtimeNsec] = from.mtimeNsec;
    this.doubles[d + double.ctime] = from.ctime;
    this.words[w + word.ctimeNsec] = from.ctimeNsec;
    unlock(this.words, w + word.attributeLock);
  }

  /** Changes some attributes of a row and leaves the others as they are at that moment. */
  modifyAttributes(row: number, change: Partial<Attributes>): void {
    const w = row * ROW_WORDS;
    const d = row * ROW_DOUBLES;
    lock(this.words, w + word.attributeLock);
    for (const name of wordFields) if (change[name] !== undefined) this.words[w + word[name]] = change[name];
    for (const name of doubleFields) if (change[name] !== undefined) this.doubles[d + double[name]] = change[name];
    unlock(this.words, w + word.attributeLock);
  }

  /** Records that a mutation of the file's data ended now: new size, mtime and ctime. */
  touchData(row: number, size: number, nowMs: number): void {
    const w = row * ROW_WORDS;
    const d = row * ROW_DOUBLES;
    const seconds = secondsOf(nowMs);
    const nsec = nanosecondsOf(nowMs);
    lock(this.words, w + word.attributeLock);
    this.doubles[d + double.size] = size;
    this.doubles[d + double.mtime] = seconds;
    this.words[w + word.mtimeNsec] = nsec;
    this.doubles[d + double.ctime] = seconds;
    this.words[w + word.ctimeNsec] = nsec;
    unlock(this.words, w + word.attributeLock);
  }
}
