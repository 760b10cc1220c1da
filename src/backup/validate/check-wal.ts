// Whether the WAL that makes a backup consistent is there and whole: every record from its start-lsn to its stop-lsn.

import { PbkfsError } from '../../errors.js';
import { readPlain } from '../../sys/plain-file.js';
import { pathBytes } from '../byte-path.js';
import type { Catalog } from '../catalog.js';
import { type Member, storedFile } from '../member.js';
import type { Chain } from '../types.js';
import {
  DEFAULT_SEGMENT_SIZE,
  parseLsnNumber,
  segmentName,
  WalArchive,
  type WalRange,
  walDirectory,
  walkRecords,
} from '../wal/index.js';
import type { Problem } from './problem.js';

/** The WAL of one backup, as plain data. */
export interface WalCheck {
  readonly kind: 'wal';
  readonly backupId: string;
  readonly range: WalRange;
  /** Absolute path (latin1) of the directory that holds the segments. */
  readonly directory: string;
  /** Whether they are in the archive, where a segment may be compressed or partial. */
  readonly archived: boolean;
}

/**
 * Plans the check of a chain's target; only the target's WAL is ever replayed. Of a STREAM backup the list must hold
 * every segment (their CRCs are checked with all other files); of an ARCHIVE backup the archive must.
 * @param target undefined when its list could not be read
 * @returns what is wrong already, and what there is to read
 */
export function planWal(
  catalog: Catalog,
  chain: Chain,
  target: Member | undefined,
): { problems: Problem[]; check?: WalCheck } {
  const { id, stream, startLsn = '', stopLsn = '', timeline, xlogBlockSize: blockSize } = chain.target;
  const { xlogSegSize: segmentSize = DEFAULT_SEGMENT_SIZE, systemIdentifier } = catalog.config(chain.instance);
  const problem = (file: string, message: string): Problem => ({ kind: 'wal', backup: id, file, message });
  const [start, stop] = [parseLsnNumber(startLsn), parseLsnNumber(stopLsn)];
  if (!start || !stop || timeline === undefined) {
    return { problems: [problem('backup.control', 'it does not say which WAL the backup needs')] };
  }
  const timelines = [{ timeline, begin: 0, end: Number.POSITIVE_INFINITY }];
  const range = { start, stop, timelines, segmentSize, blockSize, systemIdentifier };
  const common = { kind: 'wal', backupId: id, range } as const;
  if (!stream) {
    const directory = walDirectory(catalog.path, chain.instance);
    return { problems: [], check: { ...common, directory, archived: true } };
  }
  if (target === undefined) return { problems: [] };
  const { list } = target;
  const problems = segmentNumbers(range).flatMap((number) => {
    const name = segmentName(timeline, number, segmentSize);
    const row = list.find(`pg_wal/${name}`);
    if (row < 0) return [problem(name, 'the backup needs this WAL segment and does not list it')];
    if (list.size[row] === segmentSize) return [];
    return [problem(name, `this WAL segment has ${list.size[row]} bytes, ${segmentSize} are needed`)];
  });
  if (problems.length > 0) return { problems };
  return { problems, check: { ...common, directory: storedFile(target, 'pg_wal'), archived: false } };
}

/** Reads the WAL. @returns every segment that is missing or damaged as such, else the first bad record */
export function checkWal({ backupId, range, directory, archived }: WalCheck): Problem[] {
  const problem = (number: number, message: string): Problem => ({
    kind: 'wal',
    backup: backupId,
    file: nameOf(number),
    message,
  });
  const nameOf = (number: number) => segmentName(range.timelines[0]!.timeline, number, range.segmentSize);
  const archive = new WalArchive(directory, range.segmentSize);
  const read = (number: number): Buffer => {
    const name = nameOf(number);
    const bytes = archived ? archive.read(name) : readPlain(pathBytes(`${directory}/${name}`));
    if (bytes === undefined) {
      throw new PbkfsError('wal_damaged', `this WAL segment is neither in the backup nor in ${archive.directory}`);
    }
    if (bytes.length === range.segmentSize) return bytes;
    throw new PbkfsError('wal_damaged', `it has ${bytes.length} bytes, ${range.segmentSize} are needed`);
  };
  const bad: Problem[] = [];
  // A segment that cannot be read is told by itself, and so are those behind it.
  let walked: ReturnType<typeof walkRecords>;
  let last = -1;
  try {
    walked = walkRecords(range, (number) => {
      last = number;
      return read(number);
    });
  } catch (error) {
    bad.push(problem(last, reasonOf(error)));
  }
  if (walked !== undefined) bad.push(problem(walked.segment, walked.message));
  for (const number of segmentNumbers(range)) {
    if (number <= last) continue;
    try {
      read(number);
    } catch (error) {
      bad.push(problem(number, reasonOf(error)));
    }
  }
  return bad;
}

function segmentNumbers({ start, stop, segmentSize }: WalRange): number[] {
  const first = Math.floor(start / segmentSize);
  // The LSN one byte before: a stop-lsn at a segment's very start needs nothing of it.
  const last = Math.max(first, Math.floor((stop - 1) / segmentSize));
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

function reasonOf(error: unknown): string {
  return error instanceof PbkfsError ? error.message : `cannot be read: ${(error as Error).message}`;
}
