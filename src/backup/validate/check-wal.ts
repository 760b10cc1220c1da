// Whether the WAL that makes a backup consistent is there: from its start-lsn to its stop-lsn.

import fs from 'node:fs';
import zlib from 'node:zlib';
import { byteString, displayPath, pathBytes } from '../byte-path.js';
import type { Catalog } from '../catalog.js';
import type { Member } from '../member.js';
import type { Chain } from '../types.js';
import { parseLsn } from './page-fault.js';
import type { Problem } from './problem.js';

const DEFAULT_SEGMENT = 16 << 20;

/** How archive-get looks for a segment (format page 12): the first that is there. */
const SUFFIXES = ['.gz', '', '.gz.partial', '.partial'];

/**
 * Checks the WAL of a chain's target; only the target's is ever replayed. Of a STREAM backup the list must hold every
 * segment (their CRCs are checked with all other files); of an ARCHIVE backup the archive must, whole and of this place.
 * @param target undefined when its list could not be read
 */
export function checkWal(catalog: Catalog, chain: Chain, target: Member | undefined): Problem[] {
  const { id, stream, startLsn = '', stopLsn = '', timeline } = chain.target;
  const segment = catalog.config(chain.instance).xlogSegSize ?? DEFAULT_SEGMENT;
  const problem = (file: string, message: string): Problem => ({ kind: 'wal', backup: id, file, message });
  const [start, stop] = [parseLsn(startLsn), parseLsn(stopLsn)];
  if (start === undefined || stop === undefined || timeline === undefined) {
    return [problem('backup.control', 'it does not say which WAL the backup needs')];
  }
  const first = segmentNumber(start, segment);
  // The LSN one byte before: a stop-lsn at a segment's very start needs nothing of it.
  const last = Math.max(first, Math.floor((value(stop) - 1) / segment));
  const names = [];
  for (let number = first; number <= last; number++) names.push(walName(timeline, number, segment));
  if (!stream) {
    const directory = `${byteString(catalog.path)}/wal/${byteString(chain.instance)}`;
    return names.flatMap((name) => archived(directory, name, segment).map((message) => problem(name, message)));
  }
  if (target === undefined) return [];
  const { list } = target;
  return names.flatMap((name) => {
    const row = list.find(`pg_wal/${name}`);
    if (row < 0) return [problem(name, 'the backup needs this WAL segment and does not list it')];
    if (list.size[row] === segment) return [];
    return [problem(name, `this WAL segment has ${list.size[row]} bytes, ${segment} are needed`)];
  });
}

function archived(directory: string, name: string, segment: number): string[] {
  for (const suffix of SUFFIXES) {
    const path = `${directory}/${name}${suffix}`;
    let bytes: Buffer;
    try {
      bytes = fs.readFileSync(pathBytes(path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      return [`cannot be read: ${(error as Error).message}`];
    }
    return fault(bytes, suffix, name, segment).map((message) => `${displayPath(path)}: ${message}`);
  }
  return [`this WAL segment is neither in the backup nor in ${displayPath(directory)}`];
}

function fault(stored: Buffer, suffix: string, name: string, segment: number): string[] {
  let bytes = stored;
  if (suffix.startsWith('.gz')) {
    try {
      bytes = zlib.gunzipSync(stored, { maxOutputLength: segment });
    } catch (error) {
      return [(error as Error).message];
    }
  }
  // Of a partial segment archive-get makes a whole one by zeros.
  const wanted = suffix.endsWith('.partial') ? Math.min(bytes.length, segment) : segment;
  if (bytes.length !== wanted || bytes.length < PAGE_HEADER)
    return [`it has ${bytes.length} bytes, ${segment} are needed`];
  const address = bytes.readBigUInt64LE(AT_PAGEADDR);
  const number = Number.parseInt(name.slice(8, 16), 16) * segmentsPerId(segment) + Number.parseInt(name.slice(16), 16);
  if (address !== BigInt(number) * BigInt(segment)) return ['its first page belongs to another place of the WAL'];
  return [];
}

/** XLogPageHeaderData: xlp_magic u16, xlp_info u16, xlp_tli u32, xlp_pageaddr u64, xlp_rem_len u32. */
const AT_PAGEADDR = 8;
const PAGE_HEADER = 20;

function value({ high, low }: { high: number; low: number }): number {
  return high * 2 ** 32 + low;
}

function segmentNumber(lsn: { high: number; low: number }, segment: number): number {
  return Math.floor(value(lsn) / segment);
}

function segmentsPerId(segment: number): number {
  return 2 ** 32 / segment;
}

/** TTTTTTTTXXXXXXXXYYYYYYYY as PostgreSQL's XLogFileName. */
function walName(timeline: number, number: number, segment: number): string {
  const per = segmentsPerId(segment);
  return [timeline, Math.floor(number / per), number % per]
    .map((part) => part.toString(16).toUpperCase().padStart(8, '0'))
    .join('');
}
