// Requests that a data thread answers by itself: READ, WRITE, GETATTR, FSYNC, the size part of SETATTR, FALLOCATE,
// and everything that is answered without looking at anything.

import { constants } from 'node:fs';
import { errno, errnoOf, SystemError } from '../errors.js';
import { type Counters, counter } from '../metrics/counters.js';
import type { DataEngine } from '../overlay/data/data-engine.js';
import { emptyAttributes } from '../overlay/shared/attributes.js';
import type { FileTable } from '../overlay/shared/file-table.js';
import { rowKind, word } from '../overlay/shared/row-layout.js';
import {
  FOPEN_KEEP_CACHE,
  fallocateMode,
  IN_HEADER,
  OUT_HEADER,
  opcode,
  setattrValid,
  size,
  WRITE_KILL_SUIDGID,
} from './protocol/constants.js';
import type { Reply } from './protocol/reply.js';
import type { Request } from './protocol/request.js';

/** The namespace thread has to answer this request. */
export const FORWARD = -1;

export interface DataDispatchSettings {
  /** the kernel does without OPEN and RELEASE once OPEN was answered ENOSYS */
  readonly openless: boolean;
  readonly readOnly: boolean;
  /** an fsync is answered and nothing is synced, but for what `pbkfs sync` asks for */
  readonly perfUnsafe: boolean;
  /** number of this thread */
  readonly thread: number;
}

export class DataDispatch {
  readonly #table: FileTable;
  readonly #engine: DataEngine;
  readonly #reply: Reply;
  readonly #counters: Counters;
  readonly #openless: boolean;
  readonly #readOnly: boolean;
  readonly #perfUnsafe: boolean;
  readonly #attributes = emptyAttributes();
  /** handles are never looked up; each open gets a number of its own that is never used again */
  #nextHandle: number;

  constructor(table: FileTable, engine: DataEngine, reply: Reply, counters: Counters, settings: DataDispatchSettings) {
    this.#table = table;
    this.#engine = engine;
    this.#reply = reply;
    this.#counters = counters;
    this.#openless = settings.openless;
    this.#readOnly = settings.readOnly;
    this.#perfUnsafe = settings.perfUnsafe;
    this.#nextHandle = settings.thread * 2 ** 40 + 1;
  }

  /**
   * Answers the request if it is one of ours. Returns the length of the reply's body, FORWARD, or throws; an error is
   * thrown with the errno the caller shall see. Every ticket and lock is released on return.
   */
  handle(request: Request): number {
    const { row } = request;
    switch (request.opcode) {
      case opcode.READ:
        return this.#read(request, row);
      case opcode.WRITE:
        this.#mustBeWritable();
        return this.#write(request, row);
      case opcode.GETATTR:
        this.#checkLive(row, request.generation);
        this.#engine.refresh(row, request.generation);
        this.#table.readAttributes(row, this.#attributes);
        return this.#reply.attrOut(this.#attributes);
      case opcode.FSYNC:
        this.#checkLive(row, request.generation);
        if (!this.#perfUnsafe) this.#engine.sync(row, request.generation);
        return 0;
      case opcode.FSYNCDIR:
        this.#checkLive(row, request.generation);
        if (this.#engine.isHiddenDirectory(row)) this.#engine.syncAll();
        else if (!this.#perfUnsafe) this.#engine.syncNames();
        return 0;
      case opcode.SETATTR:
        this.#mustBeWritable();
        this.#truncate(request, row);
        return FORWARD;
      case opcode.FALLOCATE:
        this.#mustBeWritable();
        this.#allocate(request, row);
        return 0;
      // The namespace thread keeps account of the handles of passthrough files.
      case opcode.OPEN:
        return this.#table.isPassthrough(row) ? FORWARD : this.#open();
      case opcode.RELEASE:
        return this.#table.isPassthrough(row) ? FORWARD : 0;
      case opcode.FLUSH:
        throw notImplemented;
      case opcode.LSEEK:
        // The kernel then treats the whole file as data, which is always true.
        throw notImplemented;
      case opcode.ACCESS:
      case opcode.GETXATTR:
      case opcode.SETXATTR:
      case opcode.LISTXATTR:
      case opcode.REMOVEXATTR:
      case opcode.COPY_FILE_RANGE:
        throw notImplemented;
      default:
        return FORWARD;
    }
  }

  /** Whether a READ is answered by data threads. */
  readsData(request: Request): boolean {
    return this.#table.get(request.row, word.kind) !== rowKind.other;
  }

  /** errno for a failed request; counts what should not happen. */
  errorOf(error: unknown): number {
    if (error === notImplemented) return errno.ENOSYS;
    const number = errnoOf(error);
    if (number === errno.EIO) this.#counters.add(counter.errors, 1);
    return number;
  }

  #read(request: Request, row: number): number {
    this.#checkLive(row, request.generation);
    if (!this.readsData(request)) return FORWARD;
    return this.#engine.read(row, request.generation, request.u64(8), request.u32(16), this.#reply.bytes, OUT_HEADER);
  }

  #write(request: Request, row: number): number {
    this.#checkLive(row, request.generation);
    this.#checkFile(row);
    const length = request.u32(16);
    const dropSetId = (request.u32(20) & WRITE_KILL_SUIDGID) !== 0;
    const start = IN_HEADER + 40;
    const written = this.#engine.write(
      row,
      request.generation,
      request.bytes,
      start,
      length,
      request.u64(8),
      dropSetId,
    );
    // Of a handle without pages the kernel does not ask for an FSYNC after a write with O_SYNC or O_DSYNC.
    if (this.#table.isPassthrough(row) && (request.u32(32) & constants.O_DSYNC) !== 0 && !this.#perfUnsafe) {
      this.#engine.sync(row, request.generation);
    }
    this.#reply.u32(0, written);
    this.#reply.u32(4, 0);
    return size.write;
  }

  /** The part of SETATTR that changes data; the namespace does the rest and replies. */
  #truncate(request: Request, row: number): void {
    const valid = request.u32(0);
    if ((valid & setattrValid.SIZE) === 0) return;
    this.#checkLive(row, request.generation);
    this.#checkFile(row);
    const dropSetId = (valid & setattrValid.KILL_SUIDGID) !== 0;
    this.#engine.truncate(row, request.generation, request.u64(16), dropSetId);
  }

  #allocate(request: Request, row: number): void {
    this.#checkLive(row, request.generation);
    this.#checkFile(row);
    const mode = request.u32(24);
    const punch = (mode & fallocateMode.PUNCH_HOLE) !== 0;
    const keepSize = (mode & fallocateMode.KEEP_SIZE) !== 0;
    const zero = punch || (mode & fallocateMode.ZERO_RANGE) !== 0;
    const known = fallocateMode.PUNCH_HOLE | fallocateMode.KEEP_SIZE | fallocateMode.ZERO_RANGE;
    if ((mode & ~known) !== 0) throw new SystemError('EOPNOTSUPP');
    // The kernel leaves clearing set-id bits to us (HANDLE_KILLPRIV_V2) and says nothing of the caller's privileges here.
    const dropSetId = request.uid !== 0;
    const how = { keepSize, zero, dropSetId };
    this.#engine.allocate(row, request.generation, request.u64(8), request.u64(16), how);
  }

  #open(): number {
    if (this.#openless) throw notImplemented;
    return this.#reply.openOut(0, this.#nextHandle++, FOPEN_KEEP_CACHE, 0);
  }

  /** The kernel refuses changes of a read-only mount itself, until root remounts it writable. */
  #mustBeWritable(): void {
    if (this.#readOnly) throw new SystemError('EROFS');
  }

  #checkLive(row: number, generation: number): void {
    if (!this.#table.isLive(row, generation)) throw new SystemError('ESTALE');
  }

  #checkFile(row: number): void {
    if (this.#table.get(row, word.kind) === rowKind.other) throw new SystemError('EPERM');
  }
}

const notImplemented = new Error('ENOSYS');
