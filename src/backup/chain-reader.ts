// An opened chain: the target's tree and, for every file of it, where its bytes lie.

import fs from 'node:fs';
import { PbkfsError } from '../errors.js';
import { displayPath } from './byte-path.js';
import { BLCKSZ } from './constants.js';
import { UNCHANGED, UNKNOWN_BLOCKS } from './content-list.js';
import { type Member, openMember } from './member.js';
import { PG_CONTROL_PATH, systemIdentifierOf } from './pg-control.js';
import { openRaw, readRaw, verifyRaw } from './raw-reader.js';
import { requireOlderCopy, resolveDatafile } from './resolve-datafile.js';
import { resolveRaw } from './resolve-raw.js';
import { DATABASE_MAP, parseTablespaceMap, TABLESPACE_MAP } from './tablespace-map.js';
import type { Chain, FileSource, RawSource, TreeEntry } from './types.js';

/** What restore would make of a chain, to be asked file by file. Holds no descriptors. */
export class ChainReader {
  readonly chain: Chain;
  readonly #members: readonly Member[];
  /** Lengths that had to be found by reading streams; by row of the target. */
  readonly #scanned = new Map<number, number>();

  /** Use openChain. */
  constructor(chain: Chain, members: readonly Member[]) {
    this.chain = chain;
    this.#members = members;
  }

  /**
   * Every name of the target's PGDATA but tablespace_map and database_map, in the order of the list. External
   * directories lie outside of PGDATA and are left out.
   * @throws PbkfsError backup_damaged for a file that is "unchanged" although no older member has it; page_damaged when a
   *   length has to be found by reading a damaged stream
   */
  *entries(): Generator<TreeEntry> {
    const { list } = this.#target();
    for (let row = 0; row < list.count; row++) {
      if (list.externalDir[row] !== 0) continue;
      const path = list.path(row);
      if (isHidden(path)) continue;
      const mode = list.mode[row]!;
      if (list.isDirectory(row)) yield { path, mode, size: 0, kind: 'dir' };
      else if (list.isDatafile(row)) yield { path, mode, size: this.#datafileLength(path, row), kind: 'datafile' };
      else yield { path, mode, size: this.#rawSize(path, row), kind: 'raw' };
    }
  }

  /**
   * Original directories of the tablespaces, by oid (byte strings).
   * @throws PbkfsError page_damaged when tablespace_map is damaged
   */
  tablespaces(): Map<string, string> {
    const row = this.#target().list.find(TABLESPACE_MAP);
    if (row < 0) return new Map();
    const source = resolveRaw(this.#members, TABLESPACE_MAP, row);
    verifyRaw(source);
    return parseTablespaceMap(readWhole(source));
  }

  /**
   * Where the bytes of a file are.
   * @param path relative to PGDATA, a byte string
   * @throws PbkfsError backup_not_found (ENOENT) when the target has no such file; backup_damaged when the chain
   *   contradicts itself about it
   */
  resolve(path: string): FileSource {
    const { list } = this.#target();
    const row = isHidden(path) ? -1 : list.find(path);
    if (row < 0 || list.isDirectory(row)) {
      throw new PbkfsError('backup_not_found', `backup ${this.chain.target.id} has no file ${displayPath(path)}`);
    }
    return list.isDatafile(row) ? resolveDatafile(this.#members, path, row) : resolveRaw(this.#members, path, row);
  }

  #target(): Member {
    return this.#members.at(-1)!;
  }

  /** The list alone tells, but for versions before 2.3.0 (format page 7.3). */
  #datafileLength(path: string, row: number): number {
    const { list } = this.#target();
    if (list.size[row] === 0) return 0;
    if (list.size[row] === UNCHANGED) requireOlderCopy(this.#members, path, row);
    const nBlocks = list.nBlocks[row]!;
    if (nBlocks !== UNKNOWN_BLOCKS) return nBlocks * BLCKSZ;
    const known = this.#scanned.get(row);
    if (known !== undefined) return known;
    const { length } = resolveDatafile(this.#members, path, row);
    this.#scanned.set(row, length);
    return length;
  }

  #rawSize(path: string, row: number): number {
    const size = this.#target().list.size[row]!;
    return size === UNCHANGED ? resolveRaw(this.#members, path, row).size : size;
  }
}

/**
 * Reads the content lists of all members and checks that they can be served.
 * @throws PbkfsError backup_damaged when a list is damaged or members are of different clusters; backup_unsupported for
 *   compressed file systems (CFS) and unknown codecs
 */
export function openChain(chain: Chain): ChainReader {
  const members = chain.members.map((backup, layer) => openMember(backup, layer));
  for (const member of members) refuseUnsupported(member, members.at(-1)!);
  requireOneCluster(members);
  return new ChainReader(chain, members);
}

function isHidden(path: string): boolean {
  return path === TABLESPACE_MAP || path === DATABASE_MAP;
}

/** What the target does not show any more is no matter, however odd. */
function refuseUnsupported({ backup, list }: Member, target: Member): void {
  for (let row = 0; row < list.count; row++) {
    if (list.externalDir[row] !== 0) continue;
    const unknownAlg = list.isDatafile(row) && list.size[row]! > 0 && list.compressAlg(row) === undefined;
    if (!list.isCfs(row) && !unknownAlg) continue;
    if (list !== target.list && target.list.find(list.path(row)) < 0) continue;
    if (list.isCfs(row)) {
      throw new PbkfsError(
        'backup_unsupported',
        `backup ${backup.id} holds relations of a compressed file system (CFS), such as ${displayPath(list.path(row))}`,
        { hint: 'CFS of Postgres Pro Enterprise is not supported: restore this backup with pg_probackup' },
      );
    }
    throw new PbkfsError(
      'backup_unsupported',
      `backup ${backup.id}: ${displayPath(list.path(row))} is compressed by an unknown algorithm`,
      { hint: 'none, zlib, pglz, lz4 and zstd are known' },
    );
  }
}

/** Every backup stores pg_control; intact copies must name the same system. */
function requireOneCluster(members: readonly Member[]): void {
  let first: { id: string; system: bigint } | undefined;
  for (const { layer, backup, list } of members) {
    const row = list.find(PG_CONTROL_PATH);
    if (row < 0 || list.isDirectory(row) || list.isDatafile(row) || list.size[row]! <= 0) continue;
    const system = systemIdentifierIn(members.slice(0, layer + 1), row);
    if (system === undefined) continue;
    first ??= { id: backup.id, system };
    if (system !== first.system) {
      throw new PbkfsError(
        'backup_damaged',
        `backups ${first.id} and ${backup.id} of one chain are of different clusters`,
        {
          hint: 'the catalog was tampered with: choose another backup',
        },
      );
    }
  }
}

function systemIdentifierIn(members: readonly Member[], row: number): bigint | undefined {
  try {
    return systemIdentifierOf(readWhole(resolveRaw(members, PG_CONTROL_PATH, row)));
  } catch (error) {
    // A damaged copy shows itself when somebody reads it; here it just tells nothing.
    if (error instanceof PbkfsError) return undefined;
    throw error;
  }
}

function readWhole(source: RawSource): Buffer {
  const bytes = Buffer.alloc(source.size);
  const fd = openRaw(source);
  if (fd === undefined) return bytes;
  try {
    readRaw(source, fd, 0, bytes.length, bytes, 0);
    return bytes;
  } finally {
    fs.closeSync(fd);
  }
}
