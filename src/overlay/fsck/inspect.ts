// Looks at a whole diff without changing it: journal, names, objects, maps, as the next mount would find them.

import { closeSync, openSync, statSync } from 'node:fs';
import { type Chain, displayPath, openChain } from '../../backup/index.js';
import { messageOf, PbkfsError } from '../../errors.js';
import { BlockState, flag } from '../diff/block-state.js';
import {
  bootId,
  closeObject,
  hasLostWrites,
  listObjects,
  loadMap,
  objectPaths,
  openObject,
  type RawRecord,
  refuseLostJournal,
  stateSize,
} from '../diff/index.js';
import { scanJournal } from '../diff/journal-file.js';
import { EndingWatch } from '../last-ending.js';
import { BaseTree } from '../namespace/base-tree.js';
import { type Inode, isNeverWritten } from '../namespace/inode.js';
import { type Change, decodeRecords, type JournalRecord, ROOT_JOURNAL_ID } from '../namespace/records.js';
import { Tree } from '../namespace/tree.js';
import { namesOf } from './names.js';
import { ReadOnlyStorage } from './read-only-storage.js';
import type { DiffReport, JournalReport, ObjectReport } from './report.js';

/**
 * @param diff directory of the diff; nobody may have it mounted
 * @param chain of the backup it belongs to
 * @param endedCleanly by its binding the last mount did
 * @throws PbkfsError about the backup; faults of the diff are in the report
 */
export function inspectDiff(diff: string, chain: Chain, endedCleanly: boolean): DiffReport {
  const reader = openChain(chain);
  const base = new BaseTree<Inode>(reader, reader.tablespaces());
  const damage: string[] = [];
  let journal: JournalReport;
  let tree: Tree;
  try {
    refuseLostJournal(diff, endedCleanly);
    const read = readJournal(diff);
    journal = read.report;
    tree = new Tree(
      base,
      { uid: 0, gid: 0, time: 0 },
      {
        update: (inode, change) => void Object.assign(inode.attributes, change),
        nameless: () => undefined,
        linked: () => undefined,
      },
    );
    for (const record of read.records) tree.apply(record);
  } catch (error) {
    return { journal: null, objects: [], orphans: [], names: { added: 0, hidden: 0 }, damage: [messageOf(error)] };
  }
  const names = namesOf(tree);
  const held = [...tree.known()].filter((inode) => inode.objectId !== null && inode.links > 0);
  const objects = held.map((inode) => inspectObject(`${diff}/objects`, inode, names.pathOf(inode), journal));
  for (const { path, message } of objects) if (message !== undefined) damage.push(`${displayPath(path)}: ${message}`);
  const used = new Set(held.map((inode) => inode.objectId!));
  const orphans = objectsIn(`${diff}/objects`)
    .filter((objectId) => !used.has(objectId))
    .map((objectId) => ({ objectId, bytesOnDisk: bytesOnDisk(`${diff}/objects`, objectId) }));
  return { journal, objects, orphans, names: { added: names.added, hidden: names.hidden }, damage };
}

function readJournal(diff: string): { report: JournalReport; records: JournalRecord[] } {
  const storage = new ReadOnlyStorage();
  const path = `${diff}/journal`;
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // Mounted, and ended before it was ever written to.
    const report = { records: 0, bytes: 0, tornBytes: 0, closedCleanly: true, cacheWasLost: false };
    return { report, records: [] };
  }
  let found: { records: RawRecord[]; end: number; size: number };
  try {
    found = scanJournal(storage, path, fd);
  } finally {
    closeSync(fd);
  }
  const watch = new EndingWatch();
  const records = [...watch.pass(decodeRecords(found.records))];
  const { cleanlyClosed, cacheWasLost } = watch.ending(bootId(), hasLostWrites(diff));
  return {
    report: {
      records: records.length,
      bytes: found.size,
      tornBytes: found.size - found.end,
      closedCleanly: cleanlyClosed,
      cacheWasLost,
    },
    records,
  };
}

/**
 * What a journal alone tells of a diff, without the backup.
 * @returns how many changes of names, attributes or data it records
 * @throws PbkfsError diff_damaged
 */
export function inspectJournal(diff: string): { readonly report: JournalReport; readonly changes: number } {
  const { report, records } = readJournal(diff);
  return { report, changes: records.flatMap((record) => record.changes).filter(tellsSomething).length };
}

/** A compacted journal always describes the root directory, whether anything changed it or not. */
function tellsSomething(change: Change): boolean {
  if (change[0] === 'opened' || change[0] === 'clean') return false;
  return change[0] === 'link' || change[0] === 'unlink' || change[1] !== ROOT_JOURNAL_ID;
}

type Verdict = Pick<ObjectReport, 'state' | 'length' | 'blocks' | 'message'>;

function inspectObject(directory: string, inode: Inode, path: string, journal: JournalReport): ObjectReport {
  const objectId = inode.objectId!;
  let verdict: Verdict;
  try {
    verdict = inode.isBased ? mapVerdict(directory, inode, journal) : plainVerdict(directory, inode, journal);
  } catch (error) {
    if (!(error instanceof PbkfsError) && (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    verdict = missingVerdict(error, journal);
  }
  const kind = inode.isBased ? 'blocks' : 'file';
  return { objectId, path, kind, bytesOnDisk: bytesOnDisk(directory, objectId), ...verdict };
}

function mapVerdict(directory: string, inode: Inode, journal: JournalReport): Verdict {
  const storage = new ReadOnlyStorage();
  const baseLength = inode.base!.size;
  const region = { buffer: new SharedArrayBuffer(stateSize(baseLength)), byteOffset: 0 };
  const object = openObject(storage, directory, inode.objectId!);
  try {
    const { closedCleanly: cleanlyClosed, cacheWasLost: afterPowerLoss } = journal;
    const identity = { baseIdentity: inode.base!.sourcePath, baseLength };
    const outcome = loadMap(storage, object, { ...identity, bootId: bootId(), cleanlyClosed, afterPowerLoss }, region);
    if (outcome === 'ignore') {
      const nothing = { length: baseLength, blocks: 0 };
      if (afterPowerLoss) return { state: 'never durable', ...nothing };
      return { state: 'damaged', ...nothing, message: 'its block map is empty' };
    }
  } finally {
    closeObject(storage, object);
  }
  const state = new BlockState(region, baseLength);
  const complete = state.has(flag.complete);
  const blocks = complete ? state.mapped : state.countPresent();
  const settled = complete ? 'complete' : 'durable';
  return { state: storage.changed && !journal.closedCleanly ? 'unsynced' : settled, length: state.length, blocks };
}

function plainVerdict(directory: string, inode: Inode, journal: JournalReport): Verdict {
  const object = objectPaths(directory, inode.objectId!).data;
  const size = statSync(object, { throwIfNoEntry: !isNeverWritten(inode) })?.size ?? 0;
  if (!journal.closedCleanly) return { state: 'unsynced', length: size };
  const listed = inode.attributes.size;
  if (size >= listed) return { state: 'durable', length: listed };
  return { state: 'damaged', length: size, message: `its object has ${size} bytes, the journal says ${listed}` };
}

/** An object that was never synced may be gone with the cache of the host, its name having reached the disk. */
function missingVerdict(error: unknown, journal: JournalReport): Verdict {
  const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
  if (missing && journal.cacheWasLost) return { state: 'never durable', length: 0 };
  return { state: 'damaged', length: 0, message: missing ? 'its object is missing' : messageOf(error) };
}

function objectsIn(directory: string): string[] {
  try {
    return [...listObjects(new ReadOnlyStorage(), directory)];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function bytesOnDisk(directory: string, objectId: string): number {
  const { data, map } = objectPaths(directory, objectId);
  return [data, map]
    .map((path) => (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512)
    .reduce((sum, bytes) => sum + bytes, 0);
}
