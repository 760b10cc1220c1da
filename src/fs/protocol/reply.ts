// Writing replies into one reused buffer: fuse_out_header (len, error, unique u64) and a body.

import { S_IFMT, S_IFREG } from '../../backup/constants.js';
import { type Attributes, hasSetId } from '../../overlay/shared/attributes.js';
import { SteadyMemory } from '../../sys/steady-memory.js';
import type { FileSystemNumbers } from '../file-system-stat.js';
import { OUT_HEADER, size } from './constants.js';

/** How long the kernel may keep names and attributes, in seconds: only the mount itself changes its files. */
const CACHE_SECONDS = 3600;
const BLOCK_SIZE = 8192;

export class Reply {
  readonly bytes: Buffer;
  readonly #steady = new SteadyMemory();
  readonly #words: Uint32Array;
  readonly #doubleWords: BigInt64Array;

  /** @param capacity bytes of the largest body */
  constructor(capacity: number) {
    const buffer = new ArrayBuffer(OUT_HEADER + Math.ceil(capacity / 8) * 8);
    this.bytes = Buffer.from(buffer);
    this.#words = new Uint32Array(buffer);
    this.#doubleWords = new BigInt64Array(buffer);
  }

  /** Sends the reply with `bodyLength` bytes of body. Throws what write(2) on the device says. */
  send(device: number, uniqueLow: number, uniqueHigh: number, bodyLength: number): void {
    this.#header(OUT_HEADER + bodyLength, 0, uniqueLow, uniqueHigh);
    this.#steady.write(device, this.bytes, 0, OUT_HEADER + bodyLength);
  }

  /** @param errno positive errno */
  sendError(device: number, uniqueLow: number, uniqueHigh: number, errno: number): void {
    this.#header(OUT_HEADER, -errno, uniqueLow, uniqueHigh);
    this.#steady.write(device, this.bytes, 0, OUT_HEADER);
  }

  /** Sets `count` bytes of the body from `offset` to zero. */
  clear(offset: number, count: number): void {
    this.bytes.fill(0, OUT_HEADER + offset, OUT_HEADER + offset + count);
  }

  u32(offset: number, value: number): void {
    this.#words[(OUT_HEADER + offset) / 4] = value;
  }

  /** A non-negative integer below 2^53 as u64. */
  u64(offset: number, value: number): void {
    const at = (OUT_HEADER + offset) / 4;
    this.#words[at] = value;
    this.#words[at + 1] = value / 2 ** 32;
  }

  /** fuse_attr (88 bytes) at `offset` of the body. */
  attr(offset: number, attributes: Readonly<Attributes>): void {
    const at = (OUT_HEADER + offset) / 4;
    const words = this.#words;
    this.u64(offset, attributes.ino);
    this.u64(offset + 8, attributes.size);
    this.u64(offset + 16, Math.ceil(attributes.size / 512));
    this.#seconds(offset + 24, attributes.atime);
    this.#seconds(offset + 32, attributes.mtime);
    this.#seconds(offset + 40, attributes.ctime);
    words[at + 12] = attributes.atimeNsec;
    words[at + 13] = attributes.mtimeNsec;
    words[at + 14] = attributes.ctimeNsec;
    words[at + 15] = attributes.mode;
    words[at + 16] = attributes.nlink;
    words[at + 17] = attributes.uid;
    words[at + 18] = attributes.gid;
    words[at + 19] = attributes.rdev;
    words[at + 20] = BLOCK_SIZE;
    words[at + 21] = 0;
  }

  /** fuse_attr_out; returns its length. */
  attrOut(attributes: Readonly<Attributes>): number {
    this.u64(0, losesSetId(attributes.mode) ? 0 : CACHE_SECONDS);
    this.u64(8, 0);
    this.attr(16, attributes);
    return size.attrOut;
  }

  /** fuse_entry_out at `offset` of the body; returns its length. Row 0 is a negative entry. */
  entry(
    offset: number,
    row: number,
    generation: number,
    attributes: Readonly<Attributes>,
    seconds = CACHE_SECONDS,
  ): number {
    this.u32(offset, row);
    this.u32(offset + 4, generation >>> 0);
    this.u64(offset + 8, 0);
    this.u64(offset + 16, seconds);
    this.u64(offset + 24, losesSetId(attributes.mode) ? 0 : seconds);
    this.u64(offset + 32, 0);
    this.attr(offset + 40, attributes);
    return size.entry;
  }

  /**
   * fuse_open_out at `offset` of the body; returns its length.
   * @param how FOPEN bits
   * @param backing the kernel's number for a file that it reads and writes by itself; 0: it does not
   */
  openOut(offset: number, handle: number, how: number, backing: number): number {
    this.u64(offset, handle);
    this.u32(offset + 8, how);
    this.u32(offset + 12, backing);
    return size.open;
  }

  /** fuse_statfs_out; returns its length. Names may have `nameLength` bytes. */
  statfsOut(stat: FileSystemNumbers, nameLength: number): number {
    this.clear(0, size.statfs);
    this.u64(0, stat.blocks);
    this.u64(8, stat.bfree);
    this.u64(16, stat.bavail);
    this.u64(24, stat.files);
    this.u64(32, stat.ffree);
    this.u32(40, stat.bsize);
    this.u32(44, nameLength);
    this.u32(48, stat.bsize);
    return size.statfs;
  }

  #seconds(offset: number, seconds: number): void {
    if (seconds >= 0) this.u64(offset, seconds);
    else this.#doubleWords[(OUT_HEADER + offset) / 8] = BigInt(seconds);
  }

  #header(length: number, error: number, uniqueLow: number, uniqueHigh: number): void {
    const words = this.#words;
    words[0] = length;
    words[1] = error;
    words[2] = uniqueLow;
    words[3] = uniqueHigh;
  }
}

/**
 * Whether a write may take bits of this mode away. With HANDLE_KILLPRIV_V2 the server does that, and the kernel, which after
 * a write asks anew for times only, would show them for as long as it may keep attributes.
 */
function losesSetId(mode: number): boolean {
  return hasSetId(mode) && (mode & S_IFMT) === S_IFREG;
}
