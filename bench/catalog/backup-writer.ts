// Writes one backup in pg_probackup's format (2.5.16) piece by piece: large files are never in memory as a whole.
// Damage and old versions are the business of test/support/catalog-writer.ts.

import { closeSync, linkSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import zlib from 'node:zlib';
import {
  type BackupMode,
  backupIdOf,
  type CompressAlg,
  crc32c,
  PG_CONTROL_PATH,
  pgControlCrc,
} from '../../src/backup/index.js';

const CHUNK = 4 * 1024 * 1024;
const RECORD = 24;

/** A page as it is stored: block number within the segment, payload, checksum of the page. The payload may be reused. */
export interface StoredPage {
  block: number;
  payload: Buffer;
  checksum: number;
}

export interface BackupOptions {
  /** `<catalog>/backups/<instance>` */
  readonly instance: string;
  /** Seconds since 1970: the identity of the backup. */
  readonly start: number;
  readonly mode: BackupMode;
  /** Start time of the parent. */
  readonly parent?: number;
  readonly control?: Readonly<Record<string, string | number>>;
}

/** What the list says of a stored page stream; several files may have the same. */
export interface StoredFile {
  readonly stored: string;
  readonly keys: string;
  readonly tail: string;
}

export class BackupWriter {
  readonly directory: string;
  readonly #options: BackupOptions;
  readonly #list: CrcFile;
  readonly #headerMap: CrcFile;
  readonly #made = new Set<string>();

  constructor(options: BackupOptions) {
    this.#options = options;
    this.directory = join(options.instance, backupIdOf(options.start));
    mkdirSync(join(this.directory, 'database'), { recursive: true });
    this.#list = new CrcFile(join(this.directory, 'backup_content.control'));
    this.#headerMap = new CrcFile(join(this.directory, 'page_header_map'));
  }

  addDirectory(path: string): void {
    this.#line(
      path,
      '"size":"0", "mode":"16832", "is_datafile":"0", "is_cfs":"0", "crc":"0", "compress_alg":"none"',
      '',
    );
  }

  /** A file that is stored as it is. */
  addRaw(path: string, content: Buffer): void {
    if (content.length > 0) writeFileSync(this.#place(path), content);
    // Of pg_control the list has the CRC that the file itself holds (format page 8).
    const crc = path === PG_CONTROL_PATH ? pgControlCrc(content)! : content.length === 0 ? 0 : crc32c(content);
    const keys = `"size":"${content.length}", "mode":"33152", "is_datafile":"0", "is_cfs":"0", "crc":"${crc}"`;
    this.#line(path, `${keys}, "compress_alg":"none"`, '');
  }

  /** A datafile with the pages that this backup has of it. @param blocks its length */
  addStream(path: string, alg: CompressAlg, blocks: number, pages: Iterable<StoredPage>): StoredFile {
    const stored = this.#place(path);
    const file = new CrcFile(stored);
    const headers: Buffer[] = [];
    const record = Buffer.alloc(8);
    for (const { block, payload, checksum } of pages) {
      const header = Buffer.alloc(RECORD);
      header.writeInt32LE(block, 8);
      header.writeInt32LE(file.size, 12);
      header.writeUInt16LE(checksum, 16);
      headers.push(header);
      record.writeUInt32LE(block, 0);
      record.writeInt32LE(payload.length, 4);
      file.write(record);
      file.write(payload);
    }
    file.close();
    const dummy = Buffer.alloc(RECORD);
    dummy.writeInt32LE(file.size, 12);
    const inflated = Buffer.concat([...headers, dummy]);
    const chunk = zlib.deflateSync(inflated, { level: 1 });
    const place = this.#headerMap.size;
    this.#headerMap.write(chunk);
    const keys = `"size":"${file.size}", "mode":"33152", "is_datafile":"1", "is_cfs":"0", "crc":"${file.crc}", "compress_alg":"${alg}"`;
    const header = `"n_headers":"${headers.length}","hdr_crc":"${crc32c(inflated)}","hdr_off":"${place}","hdr_size":"${chunk.length}"`;
    const made: StoredFile = { stored, keys, tail: `"n_blocks":"${blocks}",${header}` };
    this.#line(path, keys, `,"segno":"${segmentOf(path)}",${made.tail}`);
    return made;
  }

  /** The same stored bytes and the same chunk of the header map under another name: a terabyte for nothing. */
  addCopy(path: string, of: StoredFile): void {
    linkSync(of.stored, this.#place(path));
    this.#line(path, of.keys, `,"segno":"${segmentOf(path)}",${of.tail}`);
  }

  /** A datafile that did not change since the parent. */
  addUnchanged(path: string, blocks: number): void {
    const keys = '"size":"-1", "mode":"33152", "is_datafile":"1", "is_cfs":"0", "crc":"0", "compress_alg":"none"';
    this.#line(path, keys, `,"segno":"${segmentOf(path)}","n_blocks":"${blocks}"`);
  }

  /** A file that is stored as it is, in an older backup. */
  addUnchangedRaw(path: string, content: Buffer): void {
    const keys = `"size":"-1", "mode":"33152", "is_datafile":"0", "is_cfs":"0", "crc":"${crc32c(content)}"`;
    this.#line(path, `${keys}, "compress_alg":"none"`, `,"full_size":"${content.length}"`);
  }

  /** Lines of the list whose files nobody will read. */
  addLines(text: string): void {
    this.#list.write(Buffer.from(text, 'latin1'));
  }

  /** Writes backup.control: from now on the backup exists. */
  finish(): void {
    this.#list.close();
    this.#headerMap.close();
    const { start, mode, parent, control } = this.#options;
    const values = {
      'backup-mode': mode,
      stream: 'true',
      'compress-alg': 'none',
      'compress-level': 1,
      'from-replica': 'false',
      'block-size': 8192,
      'xlog-block-size': 8192,
      'checksum-version': 1,
      'program-version': '2.5.16',
      'server-version': 15,
      timelineid: 1,
      'start-lsn': '0/2000028',
      'stop-lsn': '0/2000168',
      'start-time': `'${new Date(start * 1000).toISOString().slice(0, 19).replace('T', ' ')}+00'`,
      status: 'OK',
      ...(parent === undefined ? {} : { 'parent-backup-id': `'${backupIdOf(parent)}'` }),
      'content-crc': this.#list.crc,
      ...control,
    };
    const text = Object.entries(values).map(([key, value]) => `${key} = ${value}\n`);
    writeFileSync(join(this.directory, 'backup.control'), text.join(''));
  }

  #line(path: string, keys: string, tail: string): void {
    this.addLines(`{"path":"${path}", ${keys}, "external_dir_num":"0", "dbOid":"${databaseOf(path)}"${tail}}\n`);
  }

  #place(path: string): string {
    const file = join(this.directory, 'database', path);
    const directory = dirname(file);
    if (!this.#made.has(directory)) mkdirSync(directory, { recursive: true });
    this.#made.add(directory);
    return file;
  }
}

/** A file that knows its length and the CRC-32C of what was written. */
class CrcFile {
  readonly #fd: number;
  readonly #chunk = Buffer.allocUnsafe(CHUNK);
  #used = 0;
  size = 0;
  crc = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'w');
  }

  write(bytes: Buffer): void {
    this.size += bytes.length;
    if (this.#used + bytes.length > CHUNK) this.#flush();
    if (bytes.length > CHUNK) {
      this.#put(bytes);
    } else {
      bytes.copy(this.#chunk, this.#used);
      this.#used += bytes.length;
    }
  }

  close(): void {
    this.#flush();
    closeSync(this.#fd);
  }

  #flush(): void {
    if (this.#used > 0) this.#put(this.#chunk.subarray(0, this.#used));
    this.#used = 0;
  }

  #put(bytes: Buffer): void {
    this.crc = crc32c(bytes, this.crc);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
  }
}

function segmentOf(path: string): string {
  return /\.(\d+)$/.exec(path)?.[1] ?? '0';
}

function databaseOf(path: string): string {
  return /^base\/(\d+)\//.exec(path)?.[1] ?? '0';
}
