// Digests of content lists in the user's cache directory: found again by the next mount of the same chain.
//
// A digest that cannot be used, or not be kept, is no error: the lists are read, as without one.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { READ_PLAIN } from '../../sys/plain-file.js';
import { isOwnAlone, isPrivateDirectory } from '../../sys/private-files.js';
import { THREAD_LIMITS } from '../../sys/thread-limits.js';
import type { Chain } from '../types.js';
import { ChainLists } from './chain-lists.js';
import { DIGEST } from './digest-file.js';
import { readDigest } from './digest-format.js';
import type { DigestThreadData } from './digest-thread.js';
import { type ChainIdentity, identifyLists, isSettled } from './list-identity.js';

/** Bytes of lists from which a digest is worth its place: reading less takes no longer than 50 ms. */
const WORTH_A_DIGEST = 8 << 20;
/** How long the end of a mount waits for a digest that is being written, in ms. */
const WAIT_AT_END = 10_000;

export class DigestStore {
  readonly #directory: string;
  readonly #worthIt: number;
  /** 1 when the digest that is being written is, or will never be. */
  #written: Int32Array | undefined;

  /**
   * @param directory where digests lie; made when the first is written
   * @param worthIt bytes of lists from which there is a digest; for tests
   */
  constructor(directory: string, worthIt = WORTH_A_DIGEST) {
    this.#directory = directory;
    this.#worthIt = worthIt;
  }

  /** What tells the chain's lists from others; undefined where there is to be no digest of them. */
  identify(chain: Chain): ChainIdentity | undefined {
    try {
      const identity = identifyLists(chain);
      return identity !== undefined && identity.bytes >= this.#worthIt ? identity : undefined;
    } catch {
      // Whoever reads the lists says what is wrong.
      return undefined;
    }
  }

  /** The lists by their digest; undefined where there is none that can be trusted. */
  find(identity: ChainIdentity, chain: Chain): ChainLists | undefined {
    let fd: number | undefined;
    try {
      if (!isPrivateDirectory(this.#directory)) return undefined;
      fd = fs.openSync(this.#fileOf(identity), READ_PLAIN | fs.constants.O_NOFOLLOW);
      const stats = fs.fstatSync(fd);
      if (!stats.isFile() || !isOwnAlone(stats)) return undefined;
      const digest = readDigest(fd, identity.key, chain.members.length);
      if (digest === undefined || !isSettled(identity, digest.seenAt)) return undefined;
      const lists = new ChainLists(digest.lists);
      this.#noteUse(fd);
      return lists;
    } catch {
      return undefined;
    } finally {
      if (fd !== undefined) fs.closeSync(fd);
    }
  }

  /**
   * Begins to write the digest of lists that were read, on a thread of its own.
   * @param identity as it was before they were read
   */
  keep(identity: ChainIdentity, chain: Chain, lists: ChainLists): void {
    if (!isSettled(identity, identity.seenAt) || this.identify(chain)?.key !== identity.key) return;
    const written = new Int32Array(new SharedArrayBuffer(4));
    const { key, seenAt } = identity;
    const file = this.#fileOf(identity);
    const data: DigestThreadData = { directory: this.#directory, file, key, seenAt, lists: lists.data, written };
    try {
      const worker = new Worker(new URL('./digest-thread.js', import.meta.url), {
        workerData: data,
        resourceLimits: THREAD_LIMITS,
      });
      worker.on('error', () => undefined);
      worker.unref();
      this.#written = written;
    } catch {
      // Without a thread no digest.
    }
  }

  /** Waits until the digest is written that is being written, but not for long. */
  settle(): void {
    if (this.#written !== undefined) Atomics.wait(this.#written, 0, 0, WAIT_AT_END);
    this.#written = undefined;
  }

  #fileOf({ place }: ChainIdentity): string {
    return join(this.#directory, `${createHash('sha256').update(place).digest('hex').slice(0, 32)}${DIGEST}`);
  }

  /** The digests used last stay longest. */
  #noteUse(fd: number): void {
    try {
      fs.futimesSync(fd, new Date(), new Date());
    } catch {
      // Then it counts as old.
    }
  }
}
