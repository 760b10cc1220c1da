// The first exchange on a new mount: INIT, in which both sides say what they can do.

import { readSync, writeSync } from 'node:fs';
import { PbkfsError } from '../errors.js';
import { initFlag, initFlag2, MAX_TRANSFER, OUT_HEADER, opcode, REQUEST_BUFFER, size } from './protocol/constants.js';
import { Request } from './protocol/request.js';

/** What kernel and server agreed on. */
export interface KernelFeatures {
  /** protocol version, 7.x */
  minor: number;
  /** names of the INIT flags in force */
  flags: string[];
  /** files can be opened without a request */
  openless: boolean;
  /** the kernel can read and write files of another file system by itself, and has been told that it shall */
  passthrough: boolean;
}

const MAJOR = 7;
/** Minor versions of the protocol that the server can do with, and that it knows. */
export const MINIMUM_MINOR = 31;
export const OUR_MINOR = 38;
const PAGE = 4096;
/** From 7.36 on INIT has a second word of flags. */
const MINOR_WITH_FLAGS2 = 36;

/**
 * Flags we want where the kernel has them; none of them obliges us to an opcode we do not answer.
 *
 * Not ASYNC_DIO (1 << 15): an O_DIRECT write by aio or io_uring would then end without the kernel dropping what a buffered read
 * has brought into its page cache meanwhile, and readers would see the old bytes from then on (generic/451 of xfstests).
 */
const wanted = [
  'ASYNC_READ',
  'BIG_WRITES',
  'DO_READDIRPLUS',
  'READDIRPLUS_AUTO',
  'NO_OPEN_SUPPORT',
  'PARALLEL_DIROPS',
  'MAX_PAGES',
  'CACHE_SYMLINKS',
  'EXPLICIT_INVAL_DATA',
  'HANDLE_KILLPRIV_V2',
] as const;

/**
 * Reads INIT from a freshly mounted device and answers it. Blocks until the kernel has sent it.
 * @param stackDepth ask for passthrough to files on a file system with so many others below it, at most, plus one; 0: none
 */
export function shakeHands(device: number, stackDepth: number): KernelFeatures {
  const request = new Request(new ArrayBuffer(REQUEST_BUFFER));
  readSync(device, request.bytes, 0, request.bytes.length, null);
  if (request.opcode !== opcode.INIT) {
    throw new PbkfsError('mount_failed', `the kernel began with request ${request.opcode} instead of INIT`);
  }
  const major = request.u32(0);
  const minor = request.u32(4);
  if (major !== MAJOR || minor < MINIMUM_MINOR) {
    reply(device, request, new Uint32Array(0), 71 /* EPROTO */);
    throw new PbkfsError('mount_failed', `the kernel speaks FUSE ${major}.${minor}; 7.31 or later is needed`, {
      hint: 'use Linux 5.4 or later',
    });
  }
  const readahead = request.u32(8);
  const offered = request.u32(12);
  const chosen = wanted.filter((name) => (offered & initFlag[name]) !== 0);
  let flags = 0;
  for (const name of chosen) flags |= initFlag[name];
  const passthrough =
    stackDepth > 0 &&
    (offered & initFlag.INIT_EXT) !== 0 &&
    minor >= MINOR_WITH_FLAGS2 &&
    (request.u32(16) & initFlag2.PASSTHROUGH) !== 0;
  if (passthrough) flags |= initFlag.INIT_EXT;
  const largePages = (flags & initFlag.MAX_PAGES) !== 0;
  const maxWrite = largePages ? MAX_TRANSFER : 32 * PAGE;
  const body = new Uint32Array(size.init / 4);
  body[0] = MAJOR;
  body[1] = OUR_MINOR;
  body[2] = Math.max(readahead, MAX_TRANSFER);
  body[3] = flags;
  // max_background in the low half, congestion_threshold in the high half
  body[4] = 64 | (48 << 16);
  body[5] = maxWrite;
  body[6] = 1; // time_gran: nanoseconds
  body[7] = maxWrite / PAGE; // max_pages
  if (passthrough) {
    body[8] = initFlag2.PASSTHROUGH;
    body[9] = stackDepth;
  }
  reply(device, request, body, 0);
  return {
    minor: Math.min(minor, OUR_MINOR),
    flags: chosen.slice(),
    passthrough,
    openless: chosen.includes('NO_OPEN_SUPPORT'),
  };
}

function reply(device: number, request: Request, body: Uint32Array, error: number): void {
  const words = new Uint32Array(OUT_HEADER / 4 + body.length);
  words[0] = words.byteLength;
  words[1] = -error;
  words[2] = request.uniqueLow;
  words[3] = request.uniqueHigh;
  words.set(body, OUT_HEADER / 4);
  writeSync(device, words);
}
