// Writes catalogs in pg_probackup's format from a description: any mode, codec, version variant and damage.

import fs from 'node:fs';
import path from 'node:path';
import { type BackupMode, backupIdOf, type CompressAlg, crc32c } from '../../src/backup/index.js';
import { absolute } from './pages.js';
import { type StoredStream, writeStream } from './stream-writer.js';

/** Pages of a page stream: block number and page. */
export type Pages = Iterable<readonly [block: number, page: Buffer]>;

interface Common {
  /** st_mode; 0100600 or 040700 by default. */
  readonly mode?: number;
  /** Lines of the list are changed last thing: null takes a key away. */
  readonly keys?: Readonly<Record<string, string | number | null>>;
  readonly externalDir?: number;
}

/** A line of the list and what is stored for it. */
export type FileContent = Common &
  (
    | { readonly dir: true }
    | { readonly content: Buffer | string }
    | { readonly unchanged: 'raw' | 'datafile'; readonly nBlocks?: number; readonly segno?: number }
    | {
        readonly pages: Pages;
        /** Length to list; null leaves n_blocks out. Default: the highest block + 1. */
        readonly nBlocks?: number | null;
        readonly alg?: CompressAlg;
        readonly segno?: number;
        /** Number of block 0 in the relation; where it is missing, segments before it have 1 GiB. */
        readonly firstBlock?: number;
        /** Appends a truncation marker (format page 4.1). */
        readonly truncateTo?: number;
        /** Changes the stream's bytes after its CRC was taken. */
        readonly damage?: (stream: Buffer, stored: StoredStream) => Buffer;
        readonly header?: HeaderVariant;
      }
  );

/** `path` is a byte string (latin1). */
export type FileSpec = { readonly path: string } & FileContent;

/** What becomes of a file's chunk of page_header_map. */
export type HeaderVariant = 'good' | 'none' | 'bad crc' | 'bad bytes' | 'negative offset' | 'wrong checksums';

export interface BackupSpec {
  /** Seconds since 1970; the id follows from it. */
  readonly start: number;
  readonly mode: BackupMode;
  /** Start time of the parent. */
  readonly parent?: number;
  readonly status?: string;
  readonly version?: string;
  readonly files: readonly FileSpec[];
  /** Lines of backup.control are changed last thing: null takes a key away. */
  readonly control?: Readonly<Record<string, string | number | null>>;
  /** Whole text in place of the control file's; null: no file. */
  readonly controlText?: Buffer | string | null;
  /** Changes the list before its CRC is taken; null: no list at all. */
  readonly list?: ((text: Buffer) => Buffer) | null;
  /** Default: recorded, as since 2.3.2. */
  readonly contentCrc?: 'good' | 'wrong' | 'none';
  /** Name of the directory, when it is not the id. */
  readonly directory?: string;
  /** The file page_header_map is removed. */
  readonly dropHeaderMap?: boolean;
}

/** A start time whose id has six characters, like real ones; `n` counts backups. */
export function startTime(n: number): number {
  return 1_795_000_000 + n * 60;
}

/** Writes `<root>/backups/<instance>` with its backups. @returns root */
export function writeCatalog(root: string, backups: readonly BackupSpec[], instance = 'main'): string {
  const directory = path.join(root, 'backups', instance);
  fs.mkdirSync(directory, { recursive: true });
  fs.mkdirSync(path.join(root, 'wal', instance), { recursive: true });
  fs.writeFileSync(path.join(directory, 'pg_probackup.conf'), 'system-identifier = 7\nxlog-seg-size = 16777216\n');
  for (const backup of backups) writeBackup(directory, backup);
  return root;
}

function writeBackup(instanceDir: string, spec: BackupSpec): void {
  const id = backupIdOf(spec.start);
  const directory = path.join(instanceDir, spec.directory ?? id);
  fs.mkdirSync(path.join(directory, 'database'), { recursive: true });
  const version = spec.version ?? '2.5.16';
  const writer = { directory, version, map: [] as Buffer[], mapSize: 0 };
  const lines = spec.files.map((file) => listLine(writer, file));
  let list: Buffer = Buffer.from(`${lines.join('\n')}\n`, 'latin1');
  if (spec.list !== null) {
    list = spec.list?.(list) ?? list;
    fs.writeFileSync(path.join(directory, 'backup_content.control'), list);
  }
  if (writer.map.length > 0 && spec.dropHeaderMap !== true) {
    fs.writeFileSync(path.join(directory, 'page_header_map'), Buffer.concat(writer.map));
  }
  const control: Record<string, string | number | null> = {
    'backup-mode': spec.mode,
    stream: 'true',
    'compress-alg': 'zlib',
    'block-size': 8192,
    'xlog-block-size': 8192,
    'checksum-version': 1,
    'program-version': version,
    'server-version': 15,
    timelineid: 1,
    'start-lsn': '0/2000028',
    'stop-lsn': '0/2000168',
    'start-time': `'${new Date(spec.start * 1000).toISOString().slice(0, 19).replace('T', ' ')}+00'`,
    status: spec.status ?? 'OK',
    'parent-backup-id': spec.parent === undefined ? null : `'${backupIdOf(spec.parent)}'`,
    'content-crc': { good: crc32c(list), wrong: (crc32c(list) ^ 1) >>> 0, none: null }[spec.contentCrc ?? 'good'],
    ...spec.control,
  };
  if (spec.controlText === null) return;
  const text = Object.entries(control)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('');
  fs.writeFileSync(path.join(directory, 'backup.control'), spec.controlText ?? text);
}

interface BackupWriter {
  readonly directory: string;
  readonly version: string;
  readonly map: Buffer[];
  mapSize: number;
}

type Values = Record<string, string | number | null>;

function listLine(writer: BackupWriter, spec: FileSpec): string {
  const external = spec.externalDir ?? 0;
  const values: Values = {
    path: spec.path,
    size: 0,
    mode: spec.mode ?? 0o100600,
    is_datafile: 0,
    is_cfs: 0,
    crc: 0,
    compress_alg: 'none',
    external_dir_num: external,
    dbOid: 0,
  };
  const base = external === 0 ? 'database' : `external_directories/externaldir${external}`;
  const file = Buffer.concat([Buffer.from(`${writer.directory}/${base}/`), Buffer.from(spec.path, 'latin1')]);
  if ('dir' in spec) {
    values.mode = spec.mode ?? 0o40700;
    fs.mkdirSync(file, { recursive: true });
  } else if ('content' in spec) {
    const content = Buffer.from(spec.content as string);
    values.size = content.length;
    values.crc = content.length === 0 ? 0 : crc32c(content);
    if (content.length > 0) store(file, content);
  } else if ('unchanged' in spec) {
    values.size = -1;
    if (spec.unchanged === 'datafile') {
      values.is_datafile = 1;
      values.segno = spec.segno ?? 0;
      if (spec.nBlocks !== undefined) values.n_blocks = spec.nBlocks;
    }
  } else addStream(writer, spec, file, values);
  Object.assign(values, spec.keys);
  const shown = Object.entries(values).filter(([, value]) => value !== null);
  // The first nine keys are separated by ", ", the others by "," alone.
  return `{${shown.map(([key, value], i) => `${i === 0 ? '' : i < 9 ? ', ' : ','}"${key}":"${value}"`).join('')}}`;
}

function addStream(
  writer: BackupWriter,
  spec: Extract<FileSpec, { pages: Pages }>,
  file: Buffer,
  values: Values,
): void {
  const alg = spec.alg ?? 'zlib';
  const segno = spec.segno ?? 0;
  const { firstBlock = absolute(segno, 0), truncateTo } = spec;
  const stored = writeStream(spec.pages, { alg, firstBlock, version: writer.version, truncateTo });
  values.is_datafile = 1;
  values.segno = segno;
  values.size = stored.bytes.length;
  const nBlocks = spec.nBlocks === undefined ? stored.end : spec.nBlocks;
  if (nBlocks !== null && nBlocks > 0) values.n_blocks = nBlocks;
  if (stored.bytes.length === 0) return;
  values.compress_alg = alg;
  values.crc = crc32c(stored.bytes);
  store(file, spec.damage?.(Buffer.from(stored.bytes), stored) ?? stored.bytes);
  const variant = spec.header ?? 'good';
  if (stored.headers === undefined || variant === 'none') return;
  const { chunk, crc } = stored.headers(variant);
  values.n_headers = stored.records;
  values.hdr_crc = crc;
  values.hdr_off = variant === 'negative offset' ? -2147483000 : writer.mapSize;
  values.hdr_size = chunk.length;
  writer.map.push(chunk);
  writer.mapSize += chunk.length;
}

function store(file: Buffer, content: Buffer): void {
  const text = file.toString('latin1');
  fs.mkdirSync(Buffer.from(text.slice(0, text.lastIndexOf('/')), 'latin1'), { recursive: true });
  fs.writeFileSync(file, content);
}
