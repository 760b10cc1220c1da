// Everything that can be checked of one stored page stream: its CRC, its structure, its header map, every page.

import fs from 'node:fs';
import { PbkfsError } from '../../errors.js';
import { decodeFullSizePayload, decodePage } from '../codec/decode.js';
import { BLCKSZ, RECORD_HEADER, RELSEG_BLOCKS } from '../constants.js';
import { openStored } from '../damage.js';
import { looksCompressed } from '../full-size-payload.js';
import { type HeaderEntries, readHeaderMap } from '../header-map.js';
import { checksumInPlace, isZeroPage, pageMemory } from '../page-checksum.js';
import type { LaneSums } from '../page-checksum-simd.js';
import { crcDoubt } from '../stream-crc.js';
import { RECORD_ROOM, walkStream } from '../stream-walk.js';
import type { StreamPart } from '../types.js';
import { type Lsn, parseLsnNumber } from '../wal/lsn.js';
import { type PageFault, pageFault } from './page-fault.js';
import type { Check } from './plan.js';
import type { Problem, ProblemKind } from './problem.js';

type StreamCheck = Extract<Check, { kind: 'stream' }>;

/** Of one file, more faulty pages of a kind than this are only counted. */
const MAX_PAGES_TOLD = 20;

/** Bytes read at a time: what was read should still be in the processor's second cache when it is checked. */
const CHUNK = 256 << 10;

/** How often it is told how far a stream is. */
const PROGRESS_BYTES = 1 << 20;

/** What one thread needs for its streams, one after another. */
interface Bench {
  /** Streams are read to where their pages can be checked: one page to decode to, then a chunk of the stream. */
  readonly memory: LaneSums;
  readonly bytes: Buffer;
  readonly stream: Buffer;
  /** Of the records of the file under work. */
  blocks: Uint32Array;
  offsets: Float64Array;
}

const DECODED = 0;
const STREAM = BLCKSZ;

/** Made when it is first needed: every program loads this module. */
let bench: Bench | undefined;

function makeBench(): Bench {
  const memory = pageMemory(STREAM + CHUNK + RECORD_ROOM);
  const bytes = Buffer.from(memory.bytes.buffer, memory.bytes.byteOffset, memory.bytes.length);
  return {
    memory,
    bytes,
    stream: bytes.subarray(STREAM),
    blocks: new Uint32Array(RELSEG_BLOCKS),
    offsets: new Float64Array(RELSEG_BLOCKS),
  };
}

/** As many records as the file can hold: there are clusters with segments above 1 GiB. */
function makeRoom(bench: Bench, { part, segmentBlocks }: StreamCheck): void {
  const most = Math.min(segmentBlocks, Math.ceil(part.storedSize / (RECORD_HEADER + 1)));
  if (most <= bench.blocks.length) return;
  bench.blocks = new Uint32Array(most);
  bench.offsets = new Float64Array(most);
}

/**
 * @param read told of bytes that have been checked, not of all
 * @returns what is wrong; empty for a file that is as pg_probackup stored it and whose pages were good in the source
 */
export function checkStream(check: StreamCheck, read: (bytes: number) => void): Problem[] {
  const { part, path } = check;
  bench ??= makeBench();
  makeRoom(bench, check);
  const problems: Problem[] = [];
  const problem = (kind: ProblemKind, message: string, block?: number): void => {
    problems.push({ kind, backup: part.backupId, file: path, message, ...(block === undefined ? {} : { block }) });
  };
  let fd: number;
  try {
    fd = openStored(part.backupId, part.file, part.storedSize);
  } catch (error) {
    problem('file', reasonOf(error, part));
    return problems;
  }
  try {
    const map = mapOf(part, problem);
    const records = walk(bench, check, fd, map, problem, read);
    if (records >= 0 && map !== undefined) compareWithMap(bench, map, records, problem);
  } finally {
    fs.closeSync(fd);
  }
  return problems;
}

type Tell = (kind: ProblemKind, message: string, block?: number) => void;

function mapOf(part: StreamPart, tell: Tell): HeaderEntries | undefined {
  if (part.header === null) {
    if (!part.padded) tell('map', 'its list has no place of it in page_header_map');
    return undefined;
  }
  let entries: HeaderEntries | string;
  try {
    entries = readHeaderMap(part, part.header);
  } catch (error) {
    entries = (error as Error).message;
  }
  if (typeof entries !== 'string') return entries;
  tell('map', `page_header_map: ${entries}`);
  return undefined;
}

/** Reads the stream once and judges every page. @returns how many records there are; -1 when it cannot be followed */
function walk(
  bench: Bench,
  check: StreamCheck,
  fd: number,
  map: HeaderEntries | undefined,
  tell: Tell,
  read: (bytes: number) => void,
): number {
  const { part } = check;
  const { stream, blocks, offsets } = bench;
  // 0/0 stands for "unknown".
  const stop = parseLsnNumber(check.stopLsn) || undefined;
  let count = 0;
  let payload = 0;
  const faulty = { page: 0, future: 0 };
  let progress = 0;
  try {
    const { crc } = walkStream(
      part,
      fd,
      (block, size, offset) => {
        if (block >= check.segmentBlocks)
          throw new Error(`block ${block}: a relation segment has at most ${check.segmentBlocks} blocks`);
        blocks[count] = block;
        offsets[count] = offset;
        payload = size;
        count++;
        if (offset - progress < PROGRESS_BYTES) return;
        read(offset - progress);
        progress = offset;
      },
      (_, at) => {
        const i = count - 1;
        const block = blocks[i]!;
        const mapped = map !== undefined && i < map.count && map.block(i) === block ? map.checksum(i) : undefined;
        const fault = judge(bench, check, stop, at, payload, block, mapped);
        if (fault === undefined) return;
        faulty[fault.kind]++;
        if (faulty[fault.kind] <= MAX_PAGES_TOLD) tell(fault.kind, fault.message, block);
      },
      stream,
    );
    if (crcDoubt(part, fd, crc) !== undefined) tell('file', `it has CRC ${crc}, ${part.crc} is listed`);
  } catch (error) {
    tell('file', reasonOf(error, part));
    count = -1;
  }
  if (faulty.page > MAX_PAGES_TOLD) tell('file', `${faulty.page - MAX_PAGES_TOLD} more of its pages are faulty`);
  if (faulty.future > MAX_PAGES_TOLD) {
    tell('future', `${faulty.future - MAX_PAGES_TOLD} more of its pages are later than the backup's end`);
  }
  if (part.header !== null && count >= 0 && count !== part.header.nHeaders) {
    tell('file', `it holds ${count} pages, ${part.header.nHeaders} are listed`);
  }
  return count;
}

function compareWithMap({ blocks, offsets }: Bench, map: HeaderEntries, records: number, tell: Tell): void {
  for (let i = 0; i < Math.min(records, map.count); i++) {
    if (map.block(i) === blocks[i] && map.pos(i) === offsets[i]) continue;
    tell(
      'map',
      `page_header_map has block ${map.block(i)} at byte ${map.pos(i)}, the file block ${blocks[i]} at ${offsets[i]}`,
    );
    return;
  }
}

/**
 * Judges the page whose payload of `size` bytes begins at `at` of the stream's buffer.
 * @param mapped what the header map says the checksum is
 */
function judge(
  bench: Bench,
  check: StreamCheck,
  stop: Lsn | undefined,
  at: number,
  size: number,
  block: number,
  mapped: number | undefined,
): PageFault | undefined {
  const { part } = check;
  const { stream, bytes } = bench;
  const mayBeRaw = size === BLCKSZ;
  if (mayBeRaw && !(part.fullSizeMayBeCompressed && looksCompressed(stream, at, part.compressAlg))) {
    return judgePage(bench, check, stop, STREAM + at, block, mapped);
  }
  try {
    if (mayBeRaw) decodeFullSizePayload(part.compressAlg, stream, at, bytes, DECODED);
    else decodePage(part.compressAlg, stream, at, at + size, bytes, DECODED);
  } catch (error) {
    return damaged((error as Error).message);
  }
  return judgePage(bench, check, stop, DECODED, block, mapped);
}

/** @param at where the page lies in `bytes` */
function judgePage(
  { memory, bytes }: Bench,
  { part, firstBlock, mapFirstBlocks }: StreamCheck,
  stop: Lsn | undefined,
  at: number,
  block: number,
  mapped: number | undefined,
): PageFault | undefined {
  if (isZeroPage(bytes, at))
    return mapped === undefined || mapped === 0 ? undefined : damaged(`an empty page, the header map says ${mapped}`);
  if (mapped !== undefined || part.pageChecksums) {
    const own = bytes[at + 8]! | (bytes[at + 9]! << 8);
    const computed = checksumInPlace(memory, at, firstBlock + block);
    if (mapped !== undefined && mapped !== computed) {
      const isOther = mapFirstBlocks.some((first) => mapped === checksumInPlace(memory, at, first + block));
      if (!isOther) return damaged(`page checksum ${computed}, the header map says ${mapped}`);
    }
    if (part.pageChecksums && own !== computed) {
      const since = mapped === undefined ? '' : '; it was so in the source already';
      return damaged(`pd_checksum is ${own}, the page has ${computed}${since}`);
    }
  }
  return pageFault(bytes, at, stop);
}

const damaged = (message: string): PageFault => ({ kind: 'page', message });

/** The message without what the problem says anyway. */
function reasonOf(error: unknown, part: StreamPart): string {
  const { message } = error as Error;
  if (!(error instanceof PbkfsError)) return message;
  return message.replace(/^backup \S+, file .*?: (?=it |block )/s, '').trim() || `damaged (${part.file})`;
}
