// Every metric pbkfs has, in one table: what the scrape, docs/metrics.md, the dashboard and the alert rules go by.

export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** What one step of the value is. */
  readonly unit: 'seconds' | 'bytes' | 'blocks' | 'requests' | 'files' | 'backups' | 'threads' | 'boolean' | 'info';
  /** Names of its labels, besides `mountpoint`, which every metric of a mount has. */
  readonly labels: readonly string[];
  /** One sentence, without a period. */
  readonly help: string;
  /** Who tells it: each mount, `pbkfs exporter`, or the file that `pbkfs drill` writes. */
  readonly from: 'mount' | 'exporter' | 'drill';
}

const counter = (unit: MetricDefinition['unit'], help: string, ...labels: string[]) =>
  ({ type: 'counter', unit, labels, help, from: 'mount' }) as const;
const gauge = (unit: MetricDefinition['unit'], help: string, ...labels: string[]) =>
  ({ type: 'gauge', unit, labels, help, from: 'mount' }) as const;
const exported = (unit: MetricDefinition['unit'], help: string, ...labels: string[]) =>
  ({ type: 'gauge', unit, labels, help, from: 'exporter' }) as const;
const drilled = (unit: MetricDefinition['unit'], help: string, ...labels: string[]) =>
  ({ type: 'gauge', unit, labels: ['catalog', 'backup_instance', ...labels], help, from: 'drill' }) as const;

export const metricDefinitions = {
  pbkfs_fuse_request_duration_seconds: {
    type: 'histogram',
    unit: 'seconds',
    labels: ['op'],
    help: 'Time from the arrival of a request of the kernel to its answer',
    from: 'mount',
  },
  pbkfs_pending_operations: gauge('requests', 'Requests that have arrived and are not answered yet'),
  pbkfs_request_errors_total: counter('requests', 'Requests that ended in EIO'),
  pbkfs_reply_gone_total: counter('requests', 'Replies the kernel no longer waited for; must stay 0'),
  pbkfs_block_reads_total: counter('blocks', 'Blocks of 8 KiB read, by where they came from', 'source'),
  pbkfs_block_writes_total: counter('blocks', 'Blocks of 8 KiB touched by writes'),
  pbkfs_blocks_materialized_total: counter(
    'blocks',
    'Blocks copied into the diff that nobody wrote: read with PBKFS_MATERIALIZE_ON_READ, or the rest of a WAL segment',
  ),
  pbkfs_read_bytes_total: counter('bytes', 'Bytes returned to readers'),
  pbkfs_write_bytes_total: counter('bytes', 'Bytes accepted from writers'),
  pbkfs_catalog_read_bytes_total: counter('bytes', 'Bytes read from the files of the catalog'),
  pbkfs_handle_hits_total: counter('files', 'Backing files that were open already when needed'),
  pbkfs_handle_misses_total: counter('files', 'Backing files that had to be opened'),
  pbkfs_cache_hits_total: counter('requests', 'Look-ups served by a cache', 'cache'),
  pbkfs_cache_misses_total: counter('requests', 'Look-ups a cache could not serve', 'cache'),
  pbkfs_cache_evictions_total: counter('files', 'What was removed from a cache to make room', 'cache'),
  pbkfs_verify_failures_total: counter(
    'blocks',
    'Blocks refused with EIO because the catalog does not hold what was backed up',
    'kind',
  ),
  pbkfs_refused_place: gauge(
    'requests',
    'How often a place of the catalog was refused with EIO; the last 16 places, block is empty where it is not about one',
    'kind',
    'backup',
    'file',
    'block',
  ),
  pbkfs_pages_bad_in_source_total: counter(
    'blocks',
    'Pages served although their checksum is wrong, because it was wrong when the backup was made',
  ),
  pbkfs_inodes: gauge('files', 'Inodes the kernel knows'),
  pbkfs_passthrough_files: gauge(
    'files',
    'Open files that the kernel reads and writes by itself (--passthrough): no other figure counts that',
  ),
  pbkfs_low_latency: gauge(
    'boolean',
    'Whether the mount is busy and keeps the processors of this machine from sleeping (--low-latency): 1 or 0',
  ),
  pbkfs_index_bytes: gauge('bytes', 'Memory of block indexes and block maps'),
  pbkfs_cache_bytes: gauge('bytes', 'Memory of block indexes alone, which --cache-size bounds'),
  pbkfs_cache_limit_bytes: gauge('bytes', 'What --cache-size allows'),
  pbkfs_data_threads: gauge('threads', 'Threads that answer reads and writes'),
  pbkfs_data_threads_idle: gauge('threads', 'Threads that wait for a request'),
  pbkfs_diff_bytes: gauge('bytes', 'Disk space of the diff, as of at most half a minute ago'),
  pbkfs_diff_counted_bytes: gauge('bytes', 'What the diff holds by the count that --diff-limit goes by'),
  pbkfs_diff_limit_bytes: gauge('bytes', 'What --diff-limit allows; missing where there is no limit'),
  pbkfs_diff_limit_refusals_total: counter('requests', 'Requests refused with ENOSPC because of --diff-limit'),
  pbkfs_diff_objects: gauge('files', 'Files that have data in the diff, as of at most half a minute ago'),
  pbkfs_diff_filesystem_free_bytes: gauge('bytes', 'Space left on the file system of the diff'),
  pbkfs_diff_filesystem_size_bytes: gauge('bytes', 'Size of the file system of the diff'),
  pbkfs_backup_lock_held: gauge('boolean', 'Whether pg_probackup is kept from changing the backups: 1 or 0'),
  pbkfs_chain_intact: gauge('boolean', 'Whether the backups are what they were when they were mounted: 1 or 0'),
  pbkfs_chain_backups: gauge('backups', 'Backups in the mounted chain'),
  pbkfs_backup_timestamp_seconds: gauge('seconds', 'When the mounted backup was made, in Unix time'),
  pbkfs_mount_start_time_seconds: gauge('seconds', 'When the mount became ready, in Unix time'),
  pbkfs_mount_info: gauge(
    'info',
    'What is mounted and how; always 1',
    'catalog',
    'backup_instance',
    'backup',
    'diff',
    'backend',
    'protocol',
    'version',
    'node',
  ),
  process_cpu_seconds_total: counter('seconds', 'User and system CPU time of the process that serves the mount'),
  process_resident_memory_bytes: gauge('bytes', 'Resident memory of the process that serves the mount'),
  process_open_fds: gauge('files', 'File descriptors of the process that serves the mount'),
  process_start_time_seconds: gauge('seconds', 'Start of the process that serves the mount, in Unix time'),
  pbkfs_mount_up: {
    ...exported('boolean', 'Whether the mount told its metrics: 0 for one that is dead, hangs or may not be read'),
    labels: ['mountpoint'],
  },
  pbkfs_catalog_up: exported('boolean', 'Whether the catalog could be read: 1 or 0', 'catalog'),
  pbkfs_catalog_read_timestamp_seconds: exported('seconds', 'When the catalog was last read, in Unix time', 'catalog'),
  pbkfs_catalog_instance_up: exported(
    'boolean',
    'Whether the backups of an instance could be read: 1 or 0',
    'catalog',
    'backup_instance',
  ),
  pbkfs_catalog_backups: exported('backups', 'Backups', 'catalog', 'backup_instance', 'mode', 'status'),
  pbkfs_catalog_mountable_backups: exported(
    'backups',
    'Backups whose whole chain can be mounted',
    'catalog',
    'backup_instance',
    'mode',
  ),
  pbkfs_catalog_stored_bytes: exported(
    'bytes',
    'Size of the backups as stored, without WAL archive',
    'catalog',
    'backup_instance',
    'mode',
  ),
  pbkfs_catalog_latest_backup_timestamp_seconds: exported(
    'seconds',
    'End of the newest backup that can be mounted, in Unix time',
    'catalog',
    'backup_instance',
    'mode',
  ),
  pbkfs_catalog_oldest_backup_timestamp_seconds: exported(
    'seconds',
    'End of the oldest backup that can be mounted, in Unix time',
    'catalog',
    'backup_instance',
    'mode',
  ),
  pbkfs_drill_success: drilled('boolean', 'Whether the last drill passed, of every backup it took: 1 or 0'),
  pbkfs_drill_timestamp_seconds: drilled('seconds', 'When the last drill ended, in Unix time'),
  pbkfs_drill_last_success_timestamp_seconds: drilled(
    'seconds',
    'When a drill last passed, in Unix time; missing until one has',
  ),
  pbkfs_drill_check_success: drilled(
    'boolean',
    'Whether a check of the last drill passed: 1 or 0; missing where it was not made',
    'backup',
    'check',
  ),
  pbkfs_drill_check_duration_seconds: drilled('seconds', 'How long a check of the last drill took', 'backup', 'check'),
  pbkfs_drill_duration_seconds: drilled('seconds', 'How long the drill of a backup took in all', 'backup'),
  pbkfs_drill_backup_timestamp_seconds: drilled('seconds', 'When the backup was made, in Unix time', 'backup'),
  pbkfs_drill_catalog_read_bytes: drilled('bytes', 'Bytes that the drill read from the files of the catalog', 'backup'),
  pbkfs_drill_diff_bytes: drilled('bytes', 'Disk space that the drill took for its diff', 'backup'),
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof metricDefinitions;

/** The table as the tests and the scrape go through it. */
export const metricNames = Object.keys(metricDefinitions) as MetricName[];

type CounterMetric = {
  [N in MetricName]: (typeof metricDefinitions)[N]['type'] extends 'counter' ? N : never;
}[MetricName];

/** The metric, and the value of its one label if it has one. */
export type SharedCounter = readonly [metric: CounterMetric, label?: readonly [name: string, value: string]];

/** The counters in shared memory, and which metric each is a part of. */
export const counterDefinitions = {
  blocksFromDiff: ['pbkfs_block_reads_total', ['source', 'diff']],
  blocksFromBackup: ['pbkfs_block_reads_total', ['source', 'backup']],
  blocksHole: ['pbkfs_block_reads_total', ['source', 'hole']],
  blocksWritten: ['pbkfs_block_writes_total'],
  blocksMaterialized: ['pbkfs_blocks_materialized_total'],
  bytesRead: ['pbkfs_read_bytes_total'],
  bytesWritten: ['pbkfs_write_bytes_total'],
  catalogBytesRead: ['pbkfs_catalog_read_bytes_total'],
  handleHit: ['pbkfs_handle_hits_total'],
  handleMiss: ['pbkfs_handle_misses_total'],
  indexHit: ['pbkfs_cache_hits_total', ['cache', 'block_index']],
  indexMiss: ['pbkfs_cache_misses_total', ['cache', 'block_index']],
  indexEvicted: ['pbkfs_cache_evictions_total', ['cache', 'block_index']],
  pageHit: ['pbkfs_cache_hits_total', ['cache', 'decoded_page']],
  pageMiss: ['pbkfs_cache_misses_total', ['cache', 'decoded_page']],
  pageDamaged: ['pbkfs_verify_failures_total', ['kind', 'page']],
  rawDamaged: ['pbkfs_verify_failures_total', ['kind', 'raw']],
  chainChanged: ['pbkfs_verify_failures_total', ['kind', 'changed']],
  badInSource: ['pbkfs_pages_bad_in_source_total'],
  errors: ['pbkfs_request_errors_total'],
  replyGone: ['pbkfs_reply_gone_total'],
} as const satisfies Record<string, SharedCounter>;

export type CounterName = keyof typeof counterDefinitions;

export const counterNames = Object.keys(counterDefinitions) as CounterName[];

/** Values of the label `op`: the kernel's operations, kinds of one operation taken together. */
export const operations = [
  'lookup',
  'forget',
  'getattr',
  'setattr',
  'readlink',
  'symlink',
  'mknod',
  'mkdir',
  'unlink',
  'rmdir',
  'rename',
  'link',
  'open',
  'read',
  'write',
  'statfs',
  'release',
  'fsync',
  'flush',
  'opendir',
  'readdir',
  'releasedir',
  'fsyncdir',
  'create',
  'interrupt',
  'fallocate',
  'lseek',
  'other',
] as const;

export type Operation = (typeof operations)[number];

/** A number of a counter snapshot, as people are shown it. */
export interface CountedThing {
  readonly name: CounterName | Operation;
  readonly metric: MetricName;
  /** value of its one label; undefined where it has none */
  readonly label: string | undefined;
  readonly help: string;
}

/** Everything in a counter snapshot: requests by operation, then the counters. */
export const countedThings: readonly CountedThing[] = [
  ...operations.map(
    (op): CountedThing => ({
      name: op,
      metric: 'pbkfs_fuse_request_duration_seconds',
      label: op,
      help: 'Requests from the kernel',
    }),
  ),
  ...counterNames.map((name): CountedThing => {
    const [metric, label]: SharedCounter = counterDefinitions[name];
    return { name, metric, label: label?.[1], help: metricDefinitions[metric].help };
  }),
];
