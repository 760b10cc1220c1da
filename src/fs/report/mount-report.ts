// What a running mount tells of itself: its virtual files, its metrics, its health. Lives in the control thread.

import { type Chain, chainChanges, displayPath, memberIds } from '../../backup/index.js';
import { pendingOperations, sumCounters } from '../../metrics/counters.js';
import { renderSamples } from '../../metrics/exposition.js';
import type { VirtualName } from '../../overlay/namespace/virtual-file.js';
import { DiffBudget } from '../../overlay/shared/diff-budget.js';
import { control, decodeChange, type SharedState } from '../../overlay/shared/shared-state.js';
import { packageVersion } from '../../version.js';
import type { BackendInfo, MountReport, ServeOptions } from '../serve-types.js';
import { DiffUsage } from './diff-usage.js';
import { logTail } from './log-tail.js';
import { mountSamples } from './mount-samples.js';

/** What changes while the mount runs, beyond shared memory. */
export interface RunningMount {
  /** undefined until the kernel has said hello */
  readonly backend: BackendInfo | undefined;
  /** data threads started */
  readonly threads: number;
}

export class LiveReport implements MountReport {
  readonly startedAt = Date.now();
  readonly #started = performance.now();
  /** null: a mount without a diff */
  readonly #usage: DiffUsage | null;
  readonly #options: ServeOptions;
  readonly #shared: SharedState;
  readonly #running: RunningMount;

  constructor(options: ServeOptions, shared: SharedState, running: RunningMount) {
    this.#options = options;
    this.#shared = shared;
    this.#running = running;
    this.#usage = options.diff === null ? null : new DiffUsage(options.diff);
  }

  get counters(): SharedArrayBuffer {
    return this.#shared.buffers.counters;
  }

  /** The content of a virtual file as of now. */
  async content(name: VirtualName): Promise<Uint8Array> {
    switch (name) {
      case 'stat':
        return json(this.#stat());
      case 'status.json':
        return json(await this.status());
      case 'chain.json':
        return json(describeChain(this.#options.chain));
      case 'metrics':
        return Buffer.from(await this.metrics());
      case 'log':
        return logTail(this.#options.logFile);
    }
  }

  async metrics(): Promise<string> {
    const usage = await this.#usage?.recent();
    const gauges = {
      options: this.#options,
      shared: this.#shared,
      running: this.#running,
      startedAt: this.startedAt,
      usage,
    };
    return renderSamples(mountSamples(gauges), { mountpoint: this.#options.mountpoint });
  }

  problems(): string[] {
    const problems: string[] = [];
    const words = this.#shared.control;
    const chain = chainState(words, this.#options.chain);
    if (chain !== 'intact') problems.push(chain);
    if (Atomics.load(words, control.journalFailed) !== 0) problems.push('a sync of the journal has failed');
    if (Atomics.load(words, control.objectsFailed) !== 0) problems.push('a sync of the objects directory has failed');
    if (Atomics.load(words, control.stop) !== 0) problems.push('the mount is ending');
    return problems;
  }

  async status(): Promise<object> {
    const { catalog, chain, diff, mountpoint, uid, gid, verify, materializeOnRead, logFile, chainLock } = this.#options;
    const { perfUnsafe = false, noWal = false, lowLatency = false } = this.#options;
    const { backend, threads } = this.#running;
    const { control: words, arena } = this.#shared;
    const problems = this.problems();
    return {
      version: packageVersion(),
      node: process.version,
      pid: process.pid,
      mountpoint,
      catalog,
      instance: chain.instance,
      backupId: chain.target.id,
      chain: memberIds(chain),
      chainState: chainState(words, chain),
      chainLock: { held: chainLock.held, description: chainLock.description },
      diff,
      diffBudget: diff === null ? null : new DiffBudget(words).state(),
      diffUsage: (await this.#usage?.recent()) ?? null,
      startedAt: new Date(this.startedAt).toISOString(),
      uptimeSeconds: Math.floor((performance.now() - this.#started) / 1000),
      healthy: problems.length === 0,
      problems,
      server: backend ?? null,
      threads: { data: threads, idle: Atomics.load(words, control.idleReaders) },
      settings: { readOnly: diff === null, uid, gid, verify, materializeOnRead, perfUnsafe, noWal, lowLatency },
      pendingOperations: pendingOperations(this.counters),
      inodes: Atomics.load(words, control.inodes),
      indexBytes: arena.bytesInUse(),
      cache: { bytes: this.#shared.indexBytes, limitBytes: this.#shared.indexLimit },
      metrics: this.#options.metricsAddress ?? null,
      logFile: logFile ?? null,
    };
  }

  #stat(): object {
    const { chain, diff, chainLock } = this.#options;
    const { control: words, arena } = this.#shared;
    return {
      instance: chain.instance,
      backupId: chain.target.id,
      chain: memberIds(chain),
      chainLock: chainLock.description,
      chainState: chainState(words, chain),
      diff,
      ...(diff === null ? {} : { diffBudget: new DiffBudget(words).state() }),
      pendingOperations: pendingOperations(this.counters),
      inodes: Atomics.load(words, control.inodes),
      indexBytes: arena.bytesInUse(),
      counters: sumCounters(this.counters),
    };
  }
}

/** In words: whether the backups are still what they were when they were mounted. */
export function chainState(words: Int32Array, chain: Chain): string {
  const changed = Atomics.load(words, control.chainChanged);
  if (changed === 0) return 'intact';
  const { layer, kind } = decodeChange(changed);
  return `backup ${chain.members[layer]!.id} was changed: ${chainChanges[kind]}`;
}

function describeChain({ instance, target, members }: Chain): object {
  return {
    instance,
    target: target.id,
    // The FULL first.
    members: members.map(({ directory, primaryConninfo: _, ...member }) => ({
      ...member,
      directory: displayPath(directory),
    })),
  };
}

function json(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}
