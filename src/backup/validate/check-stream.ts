// Everything that can be checked of one stored page stream: its CRC, its structure, its header map, every page.

import fs from 'node:fs';
import { PbkfsError } from '../../errors.js';
import { decodeFullSizePayload, decodePage } from '../codec/decode.js';
import { BLCKSZ, RELSEG_BLOCKS } from '../constants.js';
import { openStored } from '../damage.js';
import { looksCompressed } from '../full-size-payload.js';
import { type HeaderEntries, readHeaderMap } from '../header-map.js';
import { isZeroPage, pageChecksum } from '../page-checksum.js';
import { crcDoubt } from '../stream-crc.js';
import { walkStream } from '../stream-walk.js';
import type { StreamPart } from '../types.js';
import { type Lsn, pageFault, parseLsn } from './page-fault.js';
import type { Check } from './plan.js';
import type { Problem, ProblemKind } from './problem.js';

type StreamCheck = Extract<Check, { kind: 'stream' }>;

/** Of one file, more faulty pages than this are only counted. */
const MAX_PAGES_TOLD = 20;

const page = Buffer.alloc(BLCKSZ);
/** Of the records of the file under work. */
const blocks = new Uint32Array(RELSEG_BLOCKS);
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
    const records = walk(check, fd, map, problem);
    if (records >= 0 && map !== undefined) compareWithMap(map, records, problem);
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
function walk(check: StreamCheck, fd: number, map: HeaderEntries | undefined, tell: Tell): number {
  const { part } = check;
  const stop = parseLsn(check.stopLsn);
  let count = 0;
  let payload = 0;
  let told = 0;
  try {
    const { crc } = walkStream(
      part,
      fd,
      (block, size, offset) => {
        if (block >= RELSEG_BLOCKS)
          throw new Error(`block ${block}: a relation segment has at most ${RELSEG_BLOCKS} blocks`);
        blocks[count] = block;
        offsets[count] = offset;
        payload = size;
        count++;
      },
      (buffer, at) => {
        const i = count - 1;
        const wrong = pageOf(part, buffer, at, payload) ?? judge(check, stop, blocks[i]!, mapChecksum(map, i));
        if (wrong === undefined) return;
        told++;
        if (told <= MAX_PAGES_TOLD) tell('page', wrong, blocks[i]!);
      },
    );
    if (crcDoubt(part, fd, crc) !== undefined) tell('file', `it has CRC ${crc}, ${part.crc} is listed`);
  } catch (error) {
    tell('file', reasonOf(error, part));
    count = -1;
  }
  if (told > MAX_PAGES_TOLD) tell('file', `${told - MAX_PAGES_TOLD} more of its pages are faulty`);
  if (part.header !== null && count >= 0 && count !== part.header.nHeaders) {
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

function mapChecksum(map: HeaderEntries | undefined, i: number): number | undefined {
  return map !== undefined && i < map.count && map.block(i) === blocks[i] ? map.checksum(i) : undefined;
}

function pageOf(part: StreamPart, buffer: Buffer, at: number, size: number): string | undefined {
  try {
    if (size === BLCKSZ && part.fullSizeMayBeCompressed && looksCompressed(buffer, at, part.compressAlg)) {
      decodeFullSizePayload(part.compressAlg, buffer, at, page, 0);
    } else decodePage(part.compressAlg, buffer, at, at + size, page, 0);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** @param mapped what the header map says the checksum is */
function judge(
  { part, segno }: StreamCheck,
  stop: Lsn | undefined,
  block: number,
  mapped: number | undefined,
): string | undefined {
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
  return pageFault(page, stop);
}

/** The message without what the problem says anyway. */
function reasonOf(error: unknown, part: StreamPart): string {
  const { message } = error as Error;
  if (!(error instanceof PbkfsError)) return message;
  return message.replace(/^backup \S+, file .*?: (?=it |block )/s, '').trim() || `damaged (${part.file})`;
}
