// Page checksums of every relation file of a data directory that no server runs on: what `pg_checksums --check` looks at.

import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BLCKSZ, PG_CONTROL_PATH, pageChecksum, parsePgControl, RELSEG_BLOCKS } from '../../backup/index.js';
import { counted } from '../../counted.js';
import { readIfThere } from '../../sys/read-if-there.js';
import type { Problems } from './finding.js';

/** A fork of a relation, and which segment of it. Not those of temporary tables, whose names begin with a letter. */
const RELATION = /^\d+(?:_(?:fsm|vm|init))?(?:\.(\d+))?$/;
const CHUNK = 64 * BLCKSZ;
/** Offsets in PageHeaderData (src/include/storage/bufpage.h): pd_checksum, pd_upper. */
const PD_CHECKSUM = 8;
const PD_UPPER = 14;

interface Segment {
  readonly path: string;
  /** Of the relation, which checksums count by. */
  readonly firstBlock: number;
}

/**
 * @param jobs files read at a time
 * @param progress bytes read so far
 * @returns what was checked
 */
export async function pageCheck(
  dataDir: string,
  jobs: number,
  progress: (bytes: number) => void,
  problems: Problems,
): Promise<string> {
  const segments = await relationSegments(dataDir);
  let next = 0;
  let blocks = 0;
  const work = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let segment = segments[next++]; segment !== undefined; segment = segments[next++]) {
      try {
        await checkSegment(dataDir, segment, buffer, problems, (count) => {
          blocks += count;
          progress(blocks * BLCKSZ);
        });
      } catch (error) {
        problems.add(`${segment.path}: ${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return `${counted(blocks, 'block')} of ${counted(segments.length, 'file')}`;
}

async function checkSegment(
  dataDir: string,
  { path, firstBlock }: Segment,
  buffer: Buffer,
  problems: Problems,
  checked: (blocks: number) => void,
): Promise<void> {
  const file = await open(join(dataDir, path), 'r');
  try {
    for (let block = 0; ; ) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK, block * BLCKSZ);
      const whole = Math.floor(bytesRead / BLCKSZ);
      for (let i = 0; i < whole; i++) {
        const problem = pageProblem(buffer, i * BLCKSZ, firstBlock + block + i);
        if (problem !== undefined) problems.add(`${path}, block ${block + i}: ${problem}`);
      }
      checked(whole);
      block += whole;
      if (bytesRead % BLCKSZ !== 0) {
        problems.add(`${path}: ${bytesRead % BLCKSZ} bytes behind block ${block} are no whole block`);
        return;
      }
      if (bytesRead === 0) return;
    }
  } finally {
    await file.close();
  }
}

function pageProblem(buffer: Buffer, at: number, absoluteBlock: number): string | undefined {
  // A page that was never initialised has none.
  if (buffer.readUInt16LE(at + PD_UPPER) === 0) return undefined;
  const stored = buffer.readUInt16LE(at + PD_CHECKSUM);
  const right = pageChecksum(buffer, at, absoluteBlock);
  return stored === right ? undefined : `checksum ${stored}, its content has ${right}`;
}

/** A file beside the directories holds none; anything else that keeps a directory from being read must not pass for an empty one. */
function notThere(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOTDIR' || error.code === 'ENOENT') return [];
  throw error;
}

/** global, base/OID, pg_tblspc/OID/VERSION/OID */
async function relationSegments(dataDir: string): Promise<Segment[]> {
  const list = async (path: string): Promise<string[]> =>
    (await readdir(join(dataDir, path)).catch(notThere)).map((name) => `${path}/${name}`);
  const directories = ['global', ...(await list('base'))];
  for (const tablespace of await list('pg_tblspc')) {
    for (const version of await list(tablespace)) {
      if (/\/PG_[^/]*$/.test(version)) directories.push(...(await list(version)));
    }
  }
  const control = readIfThere(join(dataDir, PG_CONTROL_PATH));
  const segmentBlocks = (control && parsePgControl(control))?.segmentBlocks ?? RELSEG_BLOCKS;
  const segments: Segment[] = [];
  for (const directory of directories) {
    for (const path of await list(directory)) {
      const match = RELATION.exec(path.slice(directory.length + 1));
      if (match !== null) segments.push({ path, firstBlock: Number(match[1] ?? 0) * segmentBlocks });
    }
  }
  return segments;
}
