// The made-up backup that most cases work on, and what is where in it.

import { join } from 'node:path';
import type { CompressAlg } from '../../src/backup/index.js';
import type { MountTarget } from '../../test/support/mount.js';
import { type ChainFile, writeChain } from '../catalog/chain.js';
import type { Context } from '../run/context.js';
import { fio } from '../run/fio.js';
import { buildSides, PBKFS, type Side } from '../run/sides.js';

const MIB_BLOCKS = 128;

/** Read only; blocks of the backup. */
export const BACKUP_FILE = 'base/5/16384';
/** A datafile to be written to. */
export const OTHER_FILE = 'base/5/16390';

export interface MadeBackup {
  readonly target: MountTarget;
  readonly truth: string;
  /** Bytes of {@link BACKUP_FILE} and of {@link OTHER_FILE}. */
  readonly size: number;
  readonly otherSize: number;
}

export interface BackupShape {
  readonly alg?: CompressAlg;
  readonly layers?: number;
  /** MiB of {@link BACKUP_FILE}. */
  readonly mib: number;
  /** MiB of {@link OTHER_FILE}; there is none without. */
  readonly otherMib?: number;
}

/** A chain of 4 unless said otherwise, and the same as plain files. */
export function makeBackup(context: Context, { alg = 'none', layers = 4, mib, otherMib = 0 }: BackupShape): MadeBackup {
  context.progress.say(`writing a chain of ${layers}, ${mib + otherMib} MiB, ${alg}`);
  const base = context.stage.make(`catalog-${alg}-${layers}`);
  const files: ChainFile[] = [{ path: BACKUP_FILE, blocks: mib * MIB_BLOCKS }];
  if (otherMib > 0) files.push({ path: OTHER_FILE, blocks: otherMib * MIB_BLOCKS });
  const truth = join(base, 'truth');
  const target = writeChain({ catalog: join(base, 'catalog'), instance: 'main', alg, layers, files, truth });
  return { target, truth, size: mib * 2 ** 20, otherSize: otherMib * 2 ** 20 };
}

/** A mount of the backup alone, without peers to compare it with. */
export async function mountBackup(context: Context, { target, truth }: MadeBackup): Promise<Side> {
  const spec = { ...context.peers, target, truth, wanted: [PBKFS], peers: new Map<string, string>() };
  const [side] = await buildSides(context.stage, spec);
  return side!;
}

/** Reads {@link BACKUP_FILE} of a side once: brings it into the page cache, builds its block index. */
export async function readBackupFile(directory: string, size: number): Promise<void> {
  await fio({ rw: 'read', where: { file: join(directory, BACKUP_FILE) }, size, block: 1 << 20 }, false);
}
