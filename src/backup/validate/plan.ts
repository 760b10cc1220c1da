// Which stored files of a chain there are to check: every file of every member's list that has bytes.

import fs from 'node:fs';
import { PbkfsError } from '../../errors.js';
import { readIfThere } from '../../sys/read-if-there.js';
import { pathBytes } from '../byte-path.js';
import { RELSEG_BLOCKS } from '../constants.js';
import { type FirstBlock, firstBlockOf } from '../first-block.js';
import { listPath, whyIncomplete } from '../lists/list-file.js';
import { type Member, openMember, storedFile } from '../member.js';
import { PG_CONTROL_PATH, parsePgControl } from '../pg-control.js';
import { fileCrcKind } from '../program-version.js';
import { streamPart } from '../resolve-datafile.js';
import type { Chain, RawSource, StreamPart } from '../types.js';
import type { BlocksCheck } from './check-blocks.js';
import type { WalCheck } from './check-wal.js';
import type { CopiesCheck } from './plan-copies.js';
import type { Problem } from './problem.js';

/** One stored file, or the WAL of the target, as plain data. */
export type Check =
  | WalCheck
  | BlocksCheck
  | CopiesCheck
  | { readonly kind: 'raw'; readonly path: string; readonly source: RawSource }
  | ({
      readonly kind: 'stream';
      readonly path: string;
      readonly part: StreamPart;
      /** Blocks of a full segment file. */
      readonly segmentBlocks: number;
      /** Pages newer than this cannot be in the backup; '' where its control file does not say. */
      readonly stopLsn: string;
    } & FirstBlock);

export interface Plan {
  readonly checks: readonly Check[];
  /** Stored bytes of all checks. */
  readonly bytes: number;
  /** Members whose list could be read. */
  readonly members: readonly Member[];
  readonly problems: readonly Problem[];
}

/** Reads the lists of all members; one that is damaged is a problem, and the others are checked all the same. */
export function planValidation(chain: Chain): Plan {
  const checks: Check[] = [];
  const problems: Problem[] = [];
  const members: Member[] = [];
  let bytes = 0;
  let segmentBlocks = RELSEG_BLOCKS;
  for (const [layer, backup] of chain.members.entries()) {
    let member: Member;
    try {
      member = openMember(backup, layer);
    } catch (error) {
      const { message } = error as Error;
      problems.push({
        kind: 'list',
        backup: backup.id,
        file: 'backup_content.control',
        message: bare(message, backup.id),
      });
      continue;
    }
    members.push(member);
    const why = whyIncomplete(backup, fs.statSync(listPath(backup.directory)).size);
    if (why !== undefined) {
      problems.push({ kind: 'list', backup: backup.id, file: 'backup_content.control', message: `it ${why}` });
    }
    segmentBlocks = segmentBlocksIn(member) ?? segmentBlocks;
    const { list } = member;
    for (let row = 0; row < list.count; row++) {
      const size = list.size[row]!;
      if (size <= 0 || list.isDirectory(row)) continue;
      try {
        checks.push(checkOf(member, row, segmentBlocks));
        bytes += size;
      } catch (error) {
        if (!(error instanceof PbkfsError)) throw error;
        problems.push({ kind: 'file', backup: backup.id, file: list.path(row), message: error.message });
      }
    }
  }
  return { checks, bytes, members, problems };
}

/** Stored bytes that only this check reads: WAL of a STREAM backup and the streams of all blocks have checks of their own. */
export function sizeOf(check: Check): number {
  if (check.kind === 'raw') return check.source.size;
  return check.kind === 'stream' ? check.part.storedSize : 0;
}

/** By the member's own pg_control. What is wrong with that file is told by its check. */
function segmentBlocksIn(member: Member): number | undefined {
  try {
    const image = readIfThere(pathBytes(storedFile(member, PG_CONTROL_PATH)));
    return image && parsePgControl(image)?.segmentBlocks;
  } catch {
    return undefined;
  }
}

function checkOf(member: Member, row: number, segmentBlocks: number): Check {
  const { list, backup, layer } = member;
  const path = list.path(row);
  const external = list.externalDir(row);
  if (list.isDatafile(row) && external === 0) {
    const part = streamPart(member, path, list.entry(row));
    const first = firstBlockOf(list.segno(row), segmentBlocks);
    return { kind: 'stream', path, part, ...first, segmentBlocks, stopLsn: backup.stopLsn ?? '' };
  }
  const file =
    external === 0
      ? storedFile(member, path)
      : `${backup.directory}/external_directories/externaldir${external}/${path}`;
  const shown = external === 0 ? path : `externaldir${external}/${path}`;
  const common = { layer, backupId: backup.id, crc: list.crc[row]!, crcKind: fileCrcKind(backup.version) };
  return { kind: 'raw', path: shown, source: { kind: 'raw', path: shown, size: list.size[row]!, file, ...common } };
}

/** The problem names the backup already. */
function bare(message: string, backup: string): string {
  return message.replace(`backup ${backup}: backup_content.control `, '').replace(`backup ${backup}: `, '');
}
