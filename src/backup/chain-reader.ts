// An opened chain: the target's tree and, for every file of it, where its bytes lie.

import { PbkfsError } from '../errors.js';
import { displayPath } from './byte-path.js';
import { COMPRESS_ALGS_HINT } from './codec/names.js';
import { BLCKSZ, S_IFDIR, S_IFMT } from './constants.js';
import { UNCHANGED, UNKNOWN_BLOCKS } from './content-list.js';
import { type ChainLists, type ReadChainLists, readChainLists } from './lists/chain-lists.js';
import type { DigestStore } from './lists/digest-store.js';
import type { PathTable } from './lists/path-table.js';
import type { Layer } from './member.js';
import { oneCluster } from './one-cluster.js';
import { readWholeRaw, verifyRaw } from './raw-reader.js';
import { lengthMayBeCut, requireOlderCopy, resolveDatafile } from './resolve-datafile.js';
import { resolveRaw } from './resolve-raw.js';
import { DATABASE_MAP, parseTablespaceMap, TABLESPACE_MAP } from './tablespace-map.js';
import type { Chain, DatafileSource, FileSource, TreeEntry } from './types.js';

/** What restore would make of a chain, to be asked file by file. Holds no descriptors. */
export class ChainReader {
  readonly chain: Chain;
  /** An earlier mount has asked for the size of every file and found nothing wrong: the lists come from its digest. */
  readonly isChecked: boolean;
  readonly #lists: ChainLists;
  readonly #layers: readonly Layer[];
  readonly #segmentBlocks: number;
  /** Lengths that had to be found by reading streams; by number of the file. */
  readonly #scanned = new Map<number, number>();

  /**
   * Use openChain.
   * @param segmentBlocks of the cluster
   * @param kept the lists come from a digest
   */
  constructor(chain: Chain, lists: ChainLists, segmentBlocks: number, kept = false) {
    this.chain = chain;
    this.#lists = lists;
    this.#layers = layersOf(chain, lists);
    this.#segmentBlocks = segmentBlocks;
    this.isChecked = kept;
  }

  /** Whether streams had to be read to know how long a file is: what the lists say is not enough then. */
  get hasScanned(): boolean {
    return this.#scanned.size > 0;
  }

  /** Paths by number. Not each of them is a name of the target: ask kind(). */
  get paths(): PathTable {
    return this.#lists.paths;
  }

  /** What a number stands for; undefined where the target shows nothing: no tablespace_map and no database_map. */
  kind(file: number): TreeEntry['kind'] | undefined {
    const { target, modes } = this.#lists;
    if (!target.has(file) || (this.paths.directory(file) === 0 && isHidden(this.paths.name(file)))) return undefined;
    if ((modes[file]! & S_IFMT) === S_IFDIR) return 'dir';
    return target.isDatafile(file) ? 'datafile' : 'raw';
  }

  /** Full st_mode of the content list. */
  mode(file: number): number {
    return this.#lists.modes[file]!;
  }

  /**
   * Logical bytes; 0 for directories.
   * @throws PbkfsError backup_damaged for a file that is "unchanged" although no older member has it; page_damaged when
   *   the length has to be found by reading a damaged stream
   */
  size(file: number): number {
    const kind = this.kind(file);
    if (kind === 'datafile') return this.#datafileLength(file);
    return kind === 'raw' ? this.#rawSize(file) : 0;
  }

  /**
   * Every name of the target's PGDATA but tablespace_map and database_map, in the order of the list. External
   * directories lie outside of PGDATA and are left out.
   * @throws PbkfsError as size()
   */
  *entries(): Generator<TreeEntry> {
    for (let file = 0; file < this.paths.count; file++) {
      const kind = this.kind(file);
      if (kind === undefined) continue;
      yield { path: this.paths.path(file), mode: this.mode(file), size: this.size(file), kind };
    }
  }

  /** Bytes of all files. @throws PbkfsError as size() */
  totalBytes(): number {
    let bytes = 0;
    for (let file = 0; file < this.paths.count; file++) bytes += this.size(file);
    return bytes;
  }

  /**
   * Original directories of the tablespaces, by oid (byte strings).
   * @throws PbkfsError page_damaged when tablespace_map is damaged
   */
  tablespaces(): Map<string, string> {
    const file = this.paths.number(TABLESPACE_MAP);
    if (file < 0 || !this.#lists.target.has(file)) return new Map();
    const source = resolveRaw(this.#layers, TABLESPACE_MAP, file);
    verifyRaw(source);
    return parseTablespaceMap(readWholeRaw(source));
  }

  /**
   * Where the bytes of a file are.
   * @param path relative to PGDATA, a byte string
   * @throws PbkfsError backup_not_found (ENOENT) when the target has no such file; backup_damaged when the chain
   *   contradicts itself about it
   */
  resolve(path: string): FileSource {
    const file = this.paths.number(path);
    const kind = file < 0 ? undefined : this.kind(file);
    if (kind === undefined || kind === 'dir') {
      throw new PbkfsError('backup_not_found', `backup ${this.chain.target.id} has no file ${displayPath(path)}`);
    }
    return kind === 'datafile' ? this.#datafile(path, file) : resolveRaw(this.#layers, path, file);
  }

  #datafile(path: string, file: number): DatafileSource {
    return resolveDatafile(this.#layers, path, file, this.#segmentBlocks);
  }

  /** From the list alone, except for versions before 2.3.0, whose streams have to be read (format page 7.3). */
  #datafileLength(file: number): number {
    const { size, nBlocks } = this.#lists.target.entry(file)!;
    if (size === 0) return 0;
    if (size === UNCHANGED) requireOlderCopy(this.#layers, () => this.paths.path(file), file);
    const maybeCut = size !== UNCHANGED && lengthMayBeCut(this.chain.target);
    if (nBlocks !== UNKNOWN_BLOCKS && !maybeCut) return nBlocks * BLCKSZ;
    const known = this.#scanned.get(file);
    if (known !== undefined) return known;
    const { length } = this.#datafile(this.paths.path(file), file);
    this.#scanned.set(file, length);
    return length;
  }

  #rawSize(file: number): number {
    const { size } = this.#lists.target.entry(file)!;
    return size === UNCHANGED ? resolveRaw(this.#layers, this.paths.path(file), file).size : size;
  }
}

/**
 * Reads the content lists of all members and checks that they can be served.
 * @throws PbkfsError backup_damaged when a list is damaged or members are of different clusters; backup_unsupported for
 *   compressed file systems (CFS) and unknown codecs
 */
export function openChain(chain: Chain): ChainReader {
  return open(chain, readLists(chain), false);
}

/** A chain that was opened by its digest, or from which one can be made. */
export interface KeptChain {
  readonly reader: ChainReader;
  /** To be called when the size of every file was asked for: nothing is wrong with any. Begins to write a digest. */
  keep(): void;
}

/** openChain by the digest that an earlier mount left of the lists, if there is one and the lists are still the same. */
export function openKeptChain(chain: Chain, digests: DigestStore): KeptChain {
  // Before anything is read: what is read may be newer than what this says, and then no digest is made of it.
  const identity = digests.identify(chain);
  const kept = identity === undefined ? undefined : digests.find(identity, chain);
  const lists = kept ?? readLists(chain);
  const reader = open(chain, lists, kept !== undefined);
  const keep = (): void => {
    if (identity !== undefined && kept === undefined && !reader.hasScanned) digests.keep(identity, chain, lists);
  };
  return { reader, keep };
}

function readLists(chain: Chain): ChainLists {
  const read = readChainLists(chain);
  refuseUnsupported(chain, read);
  return read.lists;
}

function open(chain: Chain, lists: ChainLists, kept: boolean): ChainReader {
  const { segmentBlocks } = oneCluster(layersOf(chain, lists), lists.paths);
  return new ChainReader(chain, lists, segmentBlocks, kept);
}

function layersOf({ members }: Chain, { lists }: ChainLists): Layer[] {
  return members.map((backup, layer) => ({ layer, backup, list: lists[layer]! }));
}

function isHidden(path: string): boolean {
  return path === TABLESPACE_MAP || path === DATABASE_MAP;
}

/** `unsupported` has only files that the target lists, too. */
function refuseUnsupported({ members }: Chain, { lists, unsupported }: ReadChainLists): void {
  for (const [layer, found] of unsupported.entries()) {
    if (found === undefined) continue;
    const { id } = members[layer]!;
    const path = displayPath(lists.paths.path(found.file));
    if (found.isCfs) {
      throw new PbkfsError(
        'backup_unsupported',
        `backup ${id} holds relations of a compressed file system (CFS), such as ${path}`,
        { hint: 'CFS of Postgres Pro Enterprise is not supported: restore this backup with pg_probackup' },
      );
    }
    throw new PbkfsError('backup_unsupported', `backup ${id}: ${path} is compressed by an unknown algorithm`, {
      hint: COMPRESS_ALGS_HINT,
    });
  }
}
