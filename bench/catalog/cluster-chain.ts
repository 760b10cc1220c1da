// A chain of backups of a PostgreSQL cluster that was shut down: a server starts on a mount of it without recovery.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BLCKSZ, type CompressAlg } from '../../src/backup/index.js';
import type { MountTarget } from '../../test/support/mount.js';
import type { BackupWriter, StoredPage } from './backup-writer.js';
import { instanceDirectory, layerOf, openBackup } from './chain.js';
import { encoderOf } from './encoders.js';

export interface ClusterChainSpec {
  readonly dataDir: string;
  readonly catalog: string;
  readonly instance: string;
  readonly alg: CompressAlg;
  readonly layers: number;
  /** Adds further files to every backup. */
  readonly more?: (backup: BackupWriter, layer: number) => void;
}

/** Main forks of relations: pg_probackup stores them as page streams. */
const DATAFILE = /^(global|base\/\d+)\/\d+(\.\d+)?$/;
/** What pg_probackup leaves out. */
const EXCLUDED = /^(postmaster\.(pid|opts)|pg_wal\/archive_status)$/;
/** Smaller relations are in the FULL alone. */
const LEAST_SPREAD = 64;

/** Writes an instance with one chain; its increments repeat some blocks of the larger relations. */
export function writeClusterChain({ dataDir, catalog, instance, alg, layers, more }: ClusterChainSpec): MountTarget {
  const directory = instanceDirectory(catalog, instance);
  const files = [...walk(dataDir, '')];
  for (let layer = 0; layer < layers; layer++) {
    const backup = openBackup(directory, layer);
    for (const { path, isDirectory } of files) {
      if (isDirectory) backup.addDirectory(path);
      else addFile(backup, dataDir, path, alg, layer, layers);
    }
    more?.(backup, layer);
    backup.finish();
  }
  return { catalog, instance, backup: 'latest' };
}

function* walk(root: string, below: string): Generator<{ path: string; isDirectory: boolean }> {
  for (const entry of readdirSync(join(root, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (EXCLUDED.test(path)) continue;
    if (entry.isDirectory()) {
      yield { path, isDirectory: true };
      yield* walk(root, path);
    } else if (entry.isFile()) yield { path, isDirectory: false };
    else throw new Error(`${path} is neither file nor directory: the cluster must not have tablespaces`);
  }
}

function addFile(
  backup: BackupWriter,
  dataDir: string,
  path: string,
  alg: CompressAlg,
  layer: number,
  layers: number,
): void {
  const content = readFileSync(join(dataDir, path));
  const blocks = content.length / BLCKSZ;
  if (DATAFILE.test(path) && content.length > 0) {
    const has = (block: number) => layer === 0 || layerOf(block, layers) === layer;
    if (layer > 0 && blocks < LEAST_SPREAD) backup.addUnchanged(path, blocks);
    else backup.addStream(path, alg, blocks, pagesOf(content, alg, has));
    // pg_control and the maps of relations are stored in every backup.
  } else if (layer > 0 && content.length > BLCKSZ) backup.addUnchangedRaw(path, content);
  else backup.addRaw(path, content);
}

function* pagesOf(content: Buffer, alg: CompressAlg, has: (block: number) => boolean): Generator<StoredPage> {
  const encode = encoderOf(alg);
  const stored: StoredPage = { block: 0, payload: content, checksum: 0 };
  for (let block = 0; (block + 1) * BLCKSZ <= content.length; block++) {
    if (!has(block)) continue;
    const page = content.subarray(block * BLCKSZ, (block + 1) * BLCKSZ);
    stored.block = block;
    stored.payload = encode(page);
    stored.checksum = page.readUInt16LE(8);
    yield stored;
  }
}
