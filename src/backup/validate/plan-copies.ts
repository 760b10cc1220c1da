// Which files may lack blocks because their database was being copied file by file while a backup listed them (format page 7.6).

import type { Catalog } from '../catalog.js';
import { type ChainReader, openChain } from '../chain-reader.js';
import { UNKNOWN_BLOCKS } from '../content-list.js';
import type { Member } from '../member.js';
import type { BackupInfo, Chain, DatafileSource } from '../types.js';
import type { DatabasePlace } from '../wal/index.js';
import { tolerantly } from './tolerantly.js';

/** Files that two successive backups of the chain list, as plain data. */
export interface CopiesCheck {
  readonly kind: 'copies';
  readonly catalog: string;
  readonly instance: string;
  readonly parent: BackupInfo;
  readonly backup: BackupInfo;
  readonly files: readonly GrownFile[];
}

/** A file that is longer in the backup than in its parent, and which another database has under the same name. */
export interface GrownFile {
  readonly source: DatafileSource;
  readonly place: DatabasePlace;
  /** Blocks by the parent's list. */
  readonly from: number;
  /** Blocks that it has had ever since the backup. */
  readonly end: number;
  /** Where the parent has longer files of this name. */
  readonly originals: readonly Original[];
}

interface Original extends DatabasePlace {
  readonly blocks: number;
}

const DEFAULT_TABLESPACE = 1663;

/** What the lists leave room for: hardly ever anything. A chain that contradicts itself is left to other checks. */
export function planCopies(catalog: Catalog, chain: Chain, members: readonly Member[]): CopiesCheck[] {
  let opened: ChainReader | undefined;
  return members.flatMap((member, n): CopiesCheck[] => {
    const { backup, layer } = member;
    const parent = members[n - 1];
    const namesPages = backup.mode === 'PAGE' || backup.mode === 'PTRACK';
    if (!namesPages || parent?.layer !== layer - 1) return [];
    const grown = grownRows(parent, member);
    const originals = originalsOf(parent, grown);
    const files: GrownFile[] = [];
    for (const [path, { place, from, blocks }] of grown) {
      const longer = originals.get(nameIn(path))!.filter((one) => one.blocks > from && !isSame(one, place));
      if (longer.length === 0) continue;
      opened ??= tolerantly(() => openChain(chain));
      const source = tolerantly(() => opened?.resolve(path));
      if (source?.kind !== 'datafile') continue;
      const end = Math.min(blocks, source.nBlocks, ...members.slice(n + 1).map((newer) => blocksOf(newer, path)));
      if (end > from) files.push({ source, place, from, end, originals: longer });
    }

    return files.length === 0
      ? []
      : [{ kind: 'copies', catalog: catalog.path, instance: chain.instance, parent: parent.backup, backup, files }];
  });
}

interface GrownRow {
  readonly place: DatabasePlace;
  readonly from: number;
  readonly blocks: number;
}

function grownRows(parent: Member, { list }: Member): Map<string, GrownRow> {
  const grown = new Map<string, GrownRow>();
  for (let row = 0; row < list.count; row++) {
    if (list.nBlocks[row]! <= 0 || !list.isDatafile(row) || list.externalDir(row) !== 0) continue;
    const path = list.path(row);
    const before = parent.list.find(path);
    if (before < 0 || !parent.list.isDatafile(before)) continue;
    const [from, blocks] = [lengthOf(parent, before), list.nBlocks[row]!];
    const place = from !== UNKNOWN_BLOCKS && blocks > from ? placeOf(path) : undefined;
    if (place !== undefined) grown.set(path, { place, from, blocks });
  }
  return grown;
}

/** Files of the parent by the names that `grown` has. */
function originalsOf(parent: Member, grown: ReadonlyMap<string, GrownRow>): Map<string, Original[]> {
  const originals = new Map([...grown.keys()].map((path): [string, Original[]] => [nameIn(path), []]));
  for (let row = 0; originals.size > 0 && row < parent.list.count; row++) {
    if (!parent.list.isDatafile(row) || parent.list.externalDir(row) !== 0) continue;
    const path = parent.list.path(row);
    const place = placeOf(path);
    if (place !== undefined) originals.get(nameIn(path))?.push({ ...place, blocks: lengthOf(parent, row) });
  }
  return originals;
}

function blocksOf(member: Member, path: string): number {
  const row = member.list.find(path);
  if (row < 0) return 0;
  const blocks = lengthOf(member, row);
  return blocks === UNKNOWN_BLOCKS ? Number.POSITIVE_INFINITY : blocks;
}

function lengthOf({ list }: Member, row: number): number {
  return list.size[row] === 0 ? 0 : list.nBlocks[row]!;
}

function nameIn(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** @returns undefined for what does not belong to one database */
function placeOf(path: string): DatabasePlace | undefined {
  const [, ofDefault, tablespace, database] =
    /^(?:base\/(\d+)|pg_tblspc\/(\d+)\/[^/]+\/(\d+))\/[^/]+$/.exec(path) ?? [];
  if (ofDefault !== undefined) return { tablespace: DEFAULT_TABLESPACE, database: Number(ofDefault) };
  return database === undefined ? undefined : { tablespace: Number(tablespace), database: Number(database) };
}

export function isSame(a: DatabasePlace, b: DatabasePlace): boolean {
  return a.tablespace === b.tablespace && a.database === b.database;
}
