// Where the bytes of a file on a mount come from, block by block: the diff, one of the backups, or nowhere (zeros).

import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import {
  BLCKSZ,
  type BlockIndex,
  blockChecksums,
  blockPlace,
  buildBlockIndex,
  type Chain,
  type ChainReader,
  createBlockIndex,
  type DatafileSource,
  displayPath,
  type FileSource,
  isLost,
  lostBecause,
  openChain,
  openStored,
  PageReader,
  type RawSource,
  type StreamPart,
  verifyRaw,
} from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import { HIDDEN_DIRECTORY } from '../../overlay/namespace/hidden-directory.js';
import { type InodeFile, inodeFileName } from '../../overlay/namespace/inode-file.js';
import { READ_PLAIN } from '../../sys/plain-file.js';
import { type Mounted, WHO_MAY_LOOK } from '../mounted.js';
import { isWithin } from '../paths.js';

/**
 * How far a block can be trusted. `header map`: it has the checksum pg_probackup noted; `page`: it has the one in the
 * page itself; `file`: the stored file has its listed CRC; `none`: there is nothing to compare it with; `bad in source`:
 * it is what was backed up, but the page was broken then already; `damaged`: reading it is an I/O error.
 */
export type ChecksumState = 'header map' | 'page' | 'file' | 'none' | 'bad in source' | 'damaged';

/** `zeros`: a page that the cluster never wrote; `lost`: one that no backup of the chain holds although it must. */
type From = 'diff' | 'backup' | 'zeros' | 'lost';

export interface BlockOrigin {
  readonly block: number;
  readonly from: From;
  /** Backup that supplies it. */
  readonly backupId: string | null;
  /** Stored file, or object of the diff: absolute path. */
  readonly stored: string | null;
  /** Where in that file its bytes begin; for a page of a stream, its record header. */
  readonly offset: number | null;
  /** Bytes there, without the record header. */
  readonly size: number | null;
  readonly checksum: ChecksumState | null;
  /** What is wrong with it. */
  readonly message: string | null;
}

export interface FileOrigin {
  /** Relative to the mount point. */
  readonly file: string;
  /** `own`: made on the mount. */
  readonly kind: 'datafile' | 'raw' | 'own';
  readonly length: number;
  readonly blocks: number;
  readonly object: string | null;
  /** How many blocks come from where; backups newest first. */
  readonly sources: readonly {
    readonly from: From;
    readonly backupId: string | null;
    readonly blocks: number;
  }[];
}

/** A file's origin, to be asked block by block. */
export class Provenance {
  readonly #told: InodeFile;
  readonly #diff: string | null;
  readonly #file: string;
  readonly #path: string;
  readonly #source: FileSource | undefined;
  readonly #index: BlockIndex | undefined;
  readonly #present: Buffer;

  /** @param path of the file on the mount; use openProvenance */
  constructor(path: string, file: string, told: InodeFile, diff: string | null, reader: () => ChainReader) {
    this.#path = path;
    this.#file = file;
    this.#told = told;
    this.#diff = diff;
    this.#present = Buffer.from(told.present, 'base64');
    if (told.source === null) return;
    this.#source = reader().resolve(told.source);
    if (this.#source.kind !== 'datafile') return;
    this.#index = createBlockIndex(this.#source.nBlocks);
    buildBlockIndex(this.#source, this.#index);
  }

  get blocks(): number {
    return Math.ceil(this.#told.length / BLCKSZ);
  }

  summary(): FileOrigin {
    const counts = new Map<string, { from: From; backupId: string | null; blocks: number }>();
    for (let block = 0; block < this.blocks; block++) {
      const { from, backupId } = this.#place(block);
      const key = `${from} ${backupId}`;
      const count = counts.get(key) ?? { from, backupId, blocks: 0 };
      count.blocks++;
      counts.set(key, count);
    }
    const rank = { diff: 0, backup: 1, zeros: 2, lost: 3 };
    const layers = this.#source?.kind === 'datafile' ? this.#source.layers.map((part) => part.backupId) : [];
    const sources = [...counts.values()].sort(
      (a, b) => rank[a.from] - rank[b.from] || layers.indexOf(a.backupId ?? '') - layers.indexOf(b.backupId ?? ''),
    );
    const { source, length, object } = this.#told;
    const kind = source === null ? 'own' : this.#source!.kind;
    return { file: this.#file, kind, length, blocks: this.blocks, object, sources };
  }

  /** @throws PbkfsError file_not_found for a block beyond the end */
  block(block: number): BlockOrigin {
    if (block >= this.blocks) {
      throw new PbkfsError('file_not_found', `${this.#file} has no block ${block}: it has ${this.blocks} blocks`, {
        hint: 'they are counted from 0, in each segment file anew',
      });
    }
    const place = this.#place(block);
    return { block, ...place, ...this.#check(block, place) };
  }

  #place(block: number): Omit<BlockOrigin, 'block' | 'checksum' | 'message'> {
    const nowhere = { from: 'zeros', backupId: null, stored: null, offset: null, size: null } as const;
    const { source, object, baseLimit } = this.#told;
    const inObject = source === null || (object !== null && (block * BLCKSZ >= baseLimit || this.#isPresent(block)));
    if (inObject) {
      const stored = object === null || this.#diff === null ? null : join(this.#diff, 'objects', object);
      return { from: 'diff', backupId: null, stored, offset: block * BLCKSZ, size: BLCKSZ };
    }
    const base = this.#source!;
    if (base.kind === 'raw') return placeInRaw(base, block) ?? nowhere;
    if (block >= base.nBlocks) return nowhere;
    if (isLost(this.#index!, block)) return { ...nowhere, from: 'lost' };
    const place = blockPlace(base, this.#index!, block);
    if (place === undefined) return nowhere;
    const { part, offset, size } = place;
    return { from: 'backup', backupId: part.backupId, stored: displayPath(part.file), offset, size };
  }

  #isPresent(block: number): boolean {
    return ((this.#present[block >> 3] ?? 0) & (1 << (block & 7))) !== 0;
  }

  #check(block: number, { from }: Pick<BlockOrigin, 'from'>): Pick<BlockOrigin, 'checksum' | 'message'> {
    if (from === 'zeros') return { checksum: null, message: null };
    if (from === 'diff') return this.#checkOwn(block);
    const base = this.#source!;
    if (from === 'lost') return { checksum: 'damaged', message: lostBecause(base as DatafileSource) };
    try {
      if (base.kind === 'datafile') return { checksum: checkPage(base, this.#index!, block), message: null };
      verifyRaw(base);
      return { checksum: 'file', message: null };
    } catch (error) {
      if (!(error instanceof PbkfsError)) throw error;
      return { checksum: 'damaged', message: error.message };
    }
  }

  /** Pages that PostgreSQL wrote carry a checksum where the cluster has them; other files have none. */
  #checkOwn(block: number): Pick<BlockOrigin, 'checksum' | 'message'> {
    if (this.#source?.kind !== 'datafile') return { checksum: 'none', message: null };
    const page = readPage(this.#path, block);
    const { stored, computed } = blockChecksums(page, this.#source.firstBlock + block);
    if (stored === 0) return { checksum: 'none', message: null };
    if (stored === computed) return { checksum: 'page', message: null };
    return { checksum: 'damaged', message: `pd_checksum is ${stored}, the page has ${computed}` };
  }
}

function placeInRaw(source: RawSource, block: number): Omit<BlockOrigin, 'block' | 'checksum' | 'message'> | undefined {
  const offset = block * BLCKSZ;
  if (source.file === null || offset >= source.size) return undefined;
  const size = Math.min(BLCKSZ, source.size - offset);
  return { from: 'backup', backupId: source.backupId, stored: displayPath(source.file), offset, size };
}

/** Reads the page as the mount would. @throws PbkfsError page_damaged */
function checkPage(source: DatafileSource, index: BlockIndex, block: number): ChecksumState {
  const { known } = blockPlace(source, index, block)!;
  const fds: number[] = [];
  const fdOf = (part: StreamPart): number => {
    const fd = openStored(part.backupId, part.file, part.storedSize);
    fds.push(fd);
    return fd;
  };
  try {
    const counts = new PageReader().readBlocks(source, index, fdOf, block, 1, Buffer.alloc(BLCKSZ), 0);
    return counts.badInSource > 0 ? 'bad in source' : known;
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

const NAME_A_FILE = 'name an ordinary file of the mount: by its absolute path, or by that from the mount point on';

/**
 * @param file on the mount: an absolute path, or one relative to the mount point
 * @throws PbkfsError file_not_found for what is no file of the mount; no_permission; errors about the backup
 */
export function openProvenance(mounted: Mounted, chain: () => Chain, file: string): Provenance {
  const { mountpoint, owner } = mounted;
  const path = isAbsolute(file) ? file : join(mountpoint, file);
  if (!isWithin(mountpoint, path)) {
    throw new PbkfsError('file_not_found', `${file} is not on the mount ${mountpoint}`, { hint: NAME_A_FILE });
  }
  // While it is open the kernel holds the inode, and so the mount knows its number.
  const fd = openFile(path);
  try {
    const { ino, dev } = fstatSync(fd);
    if (!fstatSync(fd).isFile() || dev !== statSync(mountpoint).dev) {
      throw new PbkfsError('file_not_found', `${file} is not a file on the mount ${mountpoint}`, { hint: NAME_A_FILE });
    }
    const told = JSON.parse(readFileSync(join(mountpoint, HIDDEN_DIRECTORY, inodeFileName(ino)), 'utf8')) as InodeFile;
    const name = path.slice(mountpoint.length + 1);
    return new Provenance(path, name, told, owner?.diff ?? null, () => openChain(chain()));
  } finally {
    closeSync(fd);
  }
}

/** One page as the mount shows it; zeros behind the end of the file. */
function readPage(path: string, block: number): Buffer {
  const page = Buffer.alloc(BLCKSZ);
  const fd = openFile(path);
  try {
    readSync(fd, page, 0, BLCKSZ, block * BLCKSZ);
    return page;
  } finally {
    closeSync(fd);
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, READ_PLAIN);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES') {
      throw new PbkfsError('no_permission', `no permission to read ${path}`, {
        hint: WHO_MAY_LOOK,
        cause: error,
      });
    }
    throw new PbkfsError('file_not_found', `cannot open ${path}: ${code}`, { hint: NAME_A_FILE, cause: error });
  }
}
