// What has to hold before a byte of the backup is served, beyond what a page tells about itself.

import { fstatSync } from 'node:fs';
import {
  chainChanges,
  damagedFile,
  displayPath,
  type FileSource,
  type RawSource,
  storedIdentity,
  type VerifyMode,
  verifyRawFd,
} from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import { type Counters, counter } from '../../metrics/counters.js';
import type { RefusalKind } from '../shared/refusals.js';
import { baseCheck, word } from '../shared/row-layout.js';
import { control, decodeChange, type SharedState } from '../shared/shared-state.js';

const HINT = 'unmount; its pages cannot be told from others any more. pg_probackup must not change a mounted chain';

/** The guard of one thread. */
export class BaseGuard {
  readonly #shared: SharedState;
  readonly #chain: readonly string[];
  readonly #counters: Counters;
  readonly #verify: VerifyMode;
  readonly #suspect: () => void;
  readonly #warn: (message: string) => void;

  /**
   * @param chain ids of the backups, FULL first
   * @param suspect told of bytes that are not what was backed up: is the chain still the same?
   */
  constructor(
    shared: SharedState,
    chain: readonly string[],
    counters: Counters,
    verify: VerifyMode,
    suspect: () => void,
    warn: (message: string) => void,
  ) {
    this.#shared = shared;
    this.#chain = chain;
    this.#counters = counters;
    this.#verify = verify;
    this.#suspect = suspect;
    this.#warn = warn;
  }

  /** @throws PbkfsError chain_changed once the mount knows that a backup of its chain is not the same any more */
  chainIntact(): void {
    const word = Atomics.load(this.#shared.control, control.chainChanged);
    if (word === 0) return;
    const { layer, kind } = decodeChange(word);
    this.#counters.add(counter.chainChanged, 1);
    const what = `backup ${this.#chain[layer]} was changed under the mount: ${chainChanges[kind]}`;
    throw new PbkfsError('chain_changed', what, { hint: HINT });
  }

  /**
   * Looks at a stored file that was opened just now.
   * @param at index into the source's layers; 0 for a raw file
   * @throws PbkfsError chain_changed when it is not the file that the mount's knowledge of its content is about;
   *   page_damaged when a raw file is no file at all or does not have its listed CRC
   */
  opened(row: number, source: FileSource, at: number, fd: number): void {
    const wanted = source.identities?.[at] ?? 0;
    const stat = fstatSync(fd, { bigint: true });
    if (source.kind === 'raw' && !stat.isFile()) throw this.#damaged(source, 'it is not a plain file');
    if (wanted !== 0 && storedIdentity(stat) !== wanted) {
      this.#counters.add(counter.chainChanged, 1);
      this.#suspect();
      const { backupId, file } = source.kind === 'raw' ? source : source.layers[at]!;
      const name = displayPath(file ?? source.path);
      this.#shared.refusals.note({ kind: 'changed', backup: backupId, file: name });
      throw new PbkfsError('chain_changed', `backup ${backupId}, file ${name}: it was changed under the mount`, {
        hint: HINT,
      });
    }
    if (source.kind === 'raw' && this.#verify === 'checksum') this.#verifyRaw(row, source, fd);
  }

  /** Something of the backup was refused. */
  refused(error: unknown): void {
    if (!(error instanceof PbkfsError) || error.code !== 'page_damaged') return;
    this.#counters.add(counter.pageDamaged, 1);
    this.#note('page', error);
    this.#suspect();
  }

  /** A raw file that ends early. */
  short(source: RawSource, position: number): PbkfsError {
    return this.#damaged(source, `it ends at byte ${position}, ${source.size} are listed`);
  }

  #damaged(source: RawSource, why: string): PbkfsError {
    const error = damagedFile(source.backupId, source.file ?? source.path, why);
    this.#refusedRaw(error);
    return error;
  }

  #refusedRaw(error: unknown): void {
    this.#counters.add(counter.rawDamaged, 1);
    this.#note('raw', error);
    this.#suspect();
  }

  #note(kind: RefusalKind, error: unknown): void {
    if (error instanceof PbkfsError && error.place !== undefined) this.#shared.refusals.note({ kind, ...error.place });
  }

  /** Pages came that were bad in the source cluster already: counted each, reported once a file. */
  badInSource(row: number, source: FileSource, count: number, block: number): void {
    this.#counters.add(counter.badInSource, count);
    if (this.#setOnce(row, baseCheck.badReported)) {
      const name = displayPath(source.path);
      this.#warn(
        `${name}: block ${block} has a wrong checksum, as it had when the backup was made; it and others like it are served`,
      );
    }
  }

  #verifyRaw(row: number, source: RawSource, fd: number): void {
    const { table } = this.#shared;
    if ((table.get(row, word.baseChecks) & baseCheck.rawVerified) !== 0) return;
    try {
      verifyRawFd(source, fd);
    } catch (error) {
      this.#refusedRaw(error);
      throw error;
    }
    this.#setOnce(row, baseCheck.rawVerified);
  }

  /** @returns whether this call set it */
  #setOnce(row: number, bit: number): boolean {
    const { table } = this.#shared;
    return (Atomics.or(table.words, table.wordBase(row) + word.baseChecks, bit) & bit) === 0;
  }
}
