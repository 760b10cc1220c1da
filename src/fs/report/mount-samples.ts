// All samples of one mount: what its threads counted, and how it stands at this moment.

import { readdirSync } from 'node:fs';
import { pendingOperations } from '../../metrics/counters.js';
import { type Sample, sharedSamples } from '../../metrics/exposition.js';
import { DiffBudget } from '../../overlay/shared/diff-budget.js';
import { control, type SharedState } from '../../overlay/shared/shared-state.js';
import { packageVersion } from '../../version.js';
import type { ServeOptions } from '../serve-types.js';
import type { Usage } from './diff-usage.js';
import type { RunningMount } from './mount-report.js';

export interface MountState {
  readonly options: ServeOptions;
  readonly shared: SharedState;
  readonly running: RunningMount;
  /** Unix time in ms. */
  readonly startedAt: number;
  readonly usage: Usage | undefined;
}

export function mountSamples(state: MountState): Sample[] {
  return [
    ...sharedSamples(state.shared.buffers.counters),
    ...gauges(state),
    ...diff(state.usage),
    ...budget(state),
    ...refusedPlaces(state),
    ...processSamples(),
  ];
}

function gauges({ options, shared, running, startedAt }: MountState): Sample[] {
  const { chain, catalog, chainLock } = options;
  const words = shared.control;
  const made = chain.target.endTime ?? chain.target.startTime;
  return [
    { metric: 'pbkfs_pending_operations', value: pendingOperations(shared.buffers.counters) },
    { metric: 'pbkfs_inodes', value: Atomics.load(words, control.inodes) },
    { metric: 'pbkfs_passthrough_files', value: Atomics.load(words, control.passthroughFiles) },
    { metric: 'pbkfs_low_latency', value: Atomics.load(words, control.awake) },
    { metric: 'pbkfs_index_bytes', value: shared.arena.bytesInUse() },
    { metric: 'pbkfs_cache_bytes', value: shared.indexBytes },
    { metric: 'pbkfs_cache_limit_bytes', value: shared.indexLimit },
    { metric: 'pbkfs_data_threads', value: running.threads },
    { metric: 'pbkfs_data_threads_idle', value: Atomics.load(words, control.idleReaders) },
    { metric: 'pbkfs_backup_lock_held', value: Number(chainLock.held) },
    { metric: 'pbkfs_chain_intact', value: Number(Atomics.load(words, control.chainChanged) === 0) },
    { metric: 'pbkfs_chain_backups', value: chain.members.length },
    ...(made === undefined ? [] : [{ metric: 'pbkfs_backup_timestamp_seconds', value: made } as const]),
    { metric: 'pbkfs_mount_start_time_seconds', value: startedAt / 1000 },
    {
      metric: 'pbkfs_mount_info',
      labels: {
        catalog,
        backup_instance: chain.instance,
        backup: chain.target.id,
        diff: options.diff ?? '',
        backend: running.backend?.backend ?? '',
        protocol: running.backend?.protocol ?? '',
        version: packageVersion(),
        node: process.version,
      },
      value: 1,
    },
  ];
}

function budget({ options, shared }: MountState): Sample[] {
  if (options.diff === null) return [];
  const { bytes, limitBytes, refusals } = new DiffBudget(shared.control).state();
  return [
    { metric: 'pbkfs_diff_counted_bytes', value: bytes },
    ...(limitBytes === null ? [] : [{ metric: 'pbkfs_diff_limit_bytes', value: limitBytes } as const]),
    { metric: 'pbkfs_diff_limit_refusals_total', value: refusals },
  ];
}

function refusedPlaces({ shared }: MountState): Sample[] {
  return shared.refusals.list().map(({ refusal: { kind, backup, file, block }, times }) => ({
    metric: 'pbkfs_refused_place',
    labels: { kind, backup, file, block: block === undefined ? '' : String(block) },
    value: times,
  }));
}

function diff(usage: Usage | undefined): Sample[] {
  if (usage === undefined) return [];
  return [
    { metric: 'pbkfs_diff_bytes', value: usage.bytes },
    { metric: 'pbkfs_diff_objects', value: usage.objects },
    { metric: 'pbkfs_diff_filesystem_free_bytes', value: usage.filesystemFreeBytes },
    { metric: 'pbkfs_diff_filesystem_size_bytes', value: usage.filesystemBytes },
  ];
}

/** The names every Prometheus client uses. */
function processSamples(): Sample[] {
  const { user, system } = process.cpuUsage();
  return [
    { metric: 'process_cpu_seconds_total', value: (user + system) / 1e6 },
    { metric: 'process_resident_memory_bytes', value: process.memoryUsage.rss() },
    { metric: 'process_open_fds', value: readdirSync('/proc/self/fd').length - 1 },
    { metric: 'process_start_time_seconds', value: Date.now() / 1000 - process.uptime() },
  ];
}
