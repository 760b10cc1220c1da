// Chains of made-up datafiles in any number of layers, with the truth beside them.

import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BLCKSZ, type CompressAlg, crc32c } from '../../src/backup/index.js';
import { startTime } from '../../test/support/catalog-writer.js';
import type { MountTarget } from '../../test/support/mount.js';
import { BackupWriter, type StoredPage } from './backup-writer.js';
import { encoderOf } from './encoders.js';
import { heapPages } from './pages.js';
import { makeWal } from './wal.js';

export interface ChainFile {
  readonly path: string;
  readonly blocks: number;
}

export interface ChainSpec {
  readonly catalog: string;
  readonly instance: string;
  readonly alg: CompressAlg;
  readonly layers: number;
  readonly files: readonly ChainFile[];
  /** Directory that gets the files as the mount must show them; none is written without. */
  readonly truth?: string;
  /** Whether the backups hold the WAL that makes them consistent: validation asks for it, a mount does not. */
  readonly withWal?: true;
}

const CONTROL_CRC = 288;

/** Which layer has a block's newest version: a block in eight is spread over the increments, as a busy table's are. */
export function layerOf(block: number, layers: number): number {
  const scattered = Math.imul(block, 2654435761) >>> 0;
  return layers > 1 && scattered % 8 === 0 ? 1 + ((scattered >>> 8) % (layers - 1)) : 0;
}

/** Writes an instance with one chain. The FULL has all blocks, each increment those that it changed. */
export function writeChain({ catalog, instance, alg, layers, files, truth, withWal }: ChainSpec): MountTarget {
  const directory = instanceDirectory(catalog, instance);
  const wal = withWal && makeWal();
  for (let layer = 0; layer < layers; layer++) {
    const backup = openBackup(directory, layer, wal?.control);
    addSkeleton(backup);
    for (const [name, content] of wal?.files ?? []) backup.addRaw(`pg_wal/${name}`, content);
    for (const { path, blocks } of files) {
      const changed = (block: number) => layer === 0 || layerOf(block, layers) === layer;
      backup.addStream(path, alg, blocks, storedPages(alg, blocks, layer, changed));
    }
    backup.finish();
  }
  if (truth !== undefined) for (const file of files) writeTruth(join(truth, file.path), file.blocks, layers);
  return { catalog, instance, backup: 'latest' };
}

/** `<catalog>/backups/<instance>`, made, with the instance's configuration. */
export function instanceDirectory(catalog: string, instance: string): string {
  const directory = join(catalog, 'backups', instance);
  mkdirSync(directory, { recursive: true });
  mkdirSync(join(catalog, 'wal', instance), { recursive: true });
  writeFileSync(join(directory, 'pg_probackup.conf'), 'system-identifier = 7\nxlog-seg-size = 16777216\n');
  return directory;
}

/** The backup of a layer; 0 is the FULL. @param control what its backup.control says besides, or instead */
export function openBackup(
  instance: string,
  layer: number,
  control: Readonly<Record<string, string>> = {},
): BackupWriter {
  const common = { instance, start: startTime(layer), control };
  return layer === 0
    ? new BackupWriter({ ...common, mode: 'FULL' })
    : new BackupWriter({ ...common, mode: 'DELTA', parent: startTime(layer - 1) });
}

/** What every data directory has; enough for a mount, not for a server. */
export function addSkeleton(backup: BackupWriter): void {
  for (const path of ['base', 'base/5', 'global', 'pg_wal']) backup.addDirectory(path);
  backup.addRaw('PG_VERSION', Buffer.from('15\n'));
  const control = Buffer.alloc(BLCKSZ);
  // The system identifier, and the file's own CRC at its place in PostgreSQL 15.
  control.writeBigUInt64LE(7n, 0);
  control.writeUInt32LE(crc32c(control.subarray(0, CONTROL_CRC)), CONTROL_CRC);
  backup.addRaw('global/pg_control', control);
}

function* storedPages(
  alg: CompressAlg,
  blocks: number,
  layer: number,
  has: (block: number) => boolean,
): Generator<StoredPage> {
  const encode = encoderOf(alg);
  const pageOf = heapPages();
  const stored: StoredPage = { block: 0, payload: Buffer.alloc(0), checksum: 0 };
  for (let block = 0; block < blocks; block++) {
    if (!has(block)) continue;
    const page = pageOf(block, layer);
    stored.block = block;
    stored.checksum = page.readUInt16LE(8);
    stored.payload = encode(page);
    yield stored;
  }
}

function writeTruth(file: string, blocks: number, layers: number): void {
  mkdirSync(dirname(file), { recursive: true });
  const pageOf = heapPages();
  const piece = Buffer.alloc(128 * BLCKSZ);
  const fd = openSync(file, 'w', 0o600);
  for (let block = 0; block < blocks; block++) {
    pageOf(block, layerOf(block, layers)).copy(piece, (block % 128) * BLCKSZ);
    if (block % 128 === 127 || block === blocks - 1) writeSync(fd, piece, 0, ((block % 128) + 1) * BLCKSZ);
  }
  closeSync(fd);
}
