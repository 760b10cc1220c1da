// Everything that can be checked of one stored page stream: its CRC, its structure, its header map, every page.

import fs from 'node:fs';
import { PbkfsError } from '../../errors.js';
import { decodeFullSizePayload, decodePage } from '../codec/decode.js';
import { BLCKSZ, RECORD_HEADER, RELSEG_BLOCKS } from '../constants.js';
import { openStored } from '../damage.js';
import { looksCompressed } from '../full-size-payload.js';
import { type HeaderEntries, readHeaderMap } from '../header-map.js';
import { isZeroPage, pageChecksum } from '../page-checksum.js';
import { crcDoubt } from '../stream-crc.js';
import { walkStream } from '../stream-walk.js';
import type { StreamPart } from '../types.js';
import { pageFault } from './page-fault.js';
import type { Check } from './plan.js';
import type { Problem, ProblemKind } from './problem.js';

type StreamCheck = Extract<Check, { kind: 'stream' }>;

/** Of one file, more faulty pages than this are only counted. */
const MAX_PAGES_TOLD = 20;

const page = Buffer.alloc(BLCKSZ);
const window = Buffer.allocUnsafeSlow(1 << 20);
/** Of the records of the file under work. */
const blocks = new Uint32Array(RELSEG_BLOCKS);
const sizes = new Uint16Array(RELSEG_BLOCKS);
const offsets = new Float64Array(RELSEG_BLOCKS);

/** @returns what is wrong; empty for a file that is as pg_probackup stored it and whose pages were good in the source */
export function checkStream(check: StreamCheck): Problem[] {
  const { part, path } = check;
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
    const records = walk(part, fd, problem);
    if (records < 0) return problems;
    if (map !== undefined) compareWithMap(map, records, problem);
    checkPages(check, fd, records, map, problem);
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

/** @returns how many records there are; -1 when the stream cannot be followed */
function walk(part: StreamPart, fd: number, tell: Tell): number {
  let count = 0;
  try {
    const { crc } = walkStream(part, fd, (block, size, offset) => {
      if (block >= RELSEG_BLOCKS)
        throw new Error(`block ${block}: a relation segment has at most ${RELSEG_BLOCKS} blocks`);
      blocks[count] = block;
      sizes[count] = size;
      offsets[count] = offset;
      count++;
    });
    if (crcDoubt(part, fd, crc) !== undefined) tell('file', `it has CRC ${crc}, ${part.crc} is listed`);
  } catch (error) {
    tell('file', reasonOf(error, part));
    return -1;
  }
  if (part.header !== null && count !== part.header.nHeaders) {
    tell('file', `it holds ${count} pages, ${part.header.nHeaders} are listed`);
  }
  return count;
}

function compareWithMap(map: HeaderEntries, records: number, tell: Tell): void {
  for (let i = 0; i < Math.min(records, map.count); i++) {
    if (map.block(i) === blocks[i] && map.pos(i) === offsets[i]) continue;
    tell(
      'map',
      `page_header_map has block ${map.block(i)} at byte ${map.pos(i)}, the file block ${blocks[i]} at ${offsets[i]}`,
    );
    return;
  }
}

function checkPages(check: StreamCheck, fd: number, records: number, map: HeaderEntries | undefined, tell: Tell): void {
  const { part } = check;
  let told = 0;
  const fault = (block: number, message: string): void => {
    told++;
    if (told <= MAX_PAGES_TOLD) tell('page', message, block);
  };
  let start = 0;
  let held = 0;
  for (let i = 0; i < records; i++) {
    const size = sizes[i]!;
    const from = offsets[i]! + RECORD_HEADER;
    if (from + size > start + held) {
      start = from;
      held = fs.readSync(fd, window, 0, Math.min(window.length, part.storedSize - from), from);
      if (held < size) {
        fault(blocks[i]!, 'the file ends within it');
        break;
      }
    }
    const wrong = pageOf(part, from - start, size) ?? judge(check, blocks[i]!, mapChecksum(map, i));
    if (wrong !== undefined) fault(blocks[i]!, wrong);
  }
  if (told > MAX_PAGES_TOLD) tell('file', `${told - MAX_PAGES_TOLD} more of its pages are faulty`);
}

function mapChecksum(map: HeaderEntries | undefined, i: number): number | undefined {
  return map !== undefined && i < map.count && map.block(i) === blocks[i] ? map.checksum(i) : undefined;
}

function pageOf(part: StreamPart, at: number, size: number): string | undefined {
  try {
    if (size === BLCKSZ && part.fullSizeMayBeCompressed && looksCompressed(window, at, part.compressAlg)) {
      decodeFullSizePayload(part.compressAlg, window, at, page, 0);
    } else decodePage(part.compressAlg, window, at, at + size, page, 0);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** @param mapped what the header map says the checksum is */
function judge({ part, segno, stopLsn }: StreamCheck, block: number, mapped: number | undefined): string | undefined {
  if (isZeroPage(page, 0))
    return mapped === undefined || mapped === 0 ? undefined : `an empty page, the header map says ${mapped}`;
  const own = page.readUInt16LE(8);
  if (mapped !== undefined || part.pageChecksums) {
    const computed = pageChecksum(page, 0, segno * RELSEG_BLOCKS + block);
    if (mapped !== undefined && mapped !== computed) return `page checksum ${computed}, the header map says ${mapped}`;
    if (part.pageChecksums && own !== computed) {
      const since = mapped === undefined ? '' : '; it was so in the source already';
      return `pd_checksum is ${own}, the page has ${computed}${since}`;
    }
  }
  return pageFault(page, stopLsn);
}

/** The message without what the problem says anyway. */
function reasonOf(error: unknown, part: StreamPart): string {
  const { message } = error as Error;
  if (!(error instanceof PbkfsError)) return message;
  return message.replace(/^backup \S+, file .*?: (?=it |block )/s, '').trim() || `damaged (${part.file})`;
}
