// Every counter pbkfs keeps: the one table from which code, output and docs take names, labels and help texts.

export interface CounterDefinition {
  /** Prometheus metric name */
  readonly metric: string;
  /** value of the metric's one label, if it has one: [label name, label value] */
  readonly label?: readonly [string, string];
  readonly help: string;
}

const requests = (op: string) =>
  ({ metric: 'pbkfs_fuse_requests_total', label: ['op', op], help: 'Requests from the kernel' }) as const;
const blocks = (source: string) =>
  ({
    metric: 'pbkfs_block_reads_total',
    label: ['source', source],
    help: 'Blocks of 8 KiB read, by where they came from',
  }) as const;
const cache = (metric: string, name: string, help: string) => ({ metric, label: ['cache', name], help }) as const;

export const counterDefinitions = {
  lookup: requests('lookup'),
  forget: requests('forget'),
  getattr: requests('getattr'),
  setattr: requests('setattr'),
  readlink: requests('readlink'),
  symlink: requests('symlink'),
  mknod: requests('mknod'),
  mkdir: requests('mkdir'),
  unlink: requests('unlink'),
  rmdir: requests('rmdir'),
  rename: requests('rename'),
  link: requests('link'),
  open: requests('open'),
  read: requests('read'),
  write: requests('write'),
  statfs: requests('statfs'),
  release: requests('release'),
  fsync: requests('fsync'),
  flush: requests('flush'),
  opendir: requests('opendir'),
  readdir: requests('readdir'),
  releasedir: requests('releasedir'),
  fsyncdir: requests('fsyncdir'),
  create: requests('create'),
  interrupt: requests('interrupt'),
  fallocate: requests('fallocate'),
  lseek: requests('lseek'),
  otherRequest: requests('other'),
  blocksFromDiff: blocks('diff'),
  blocksFromBackup: blocks('backup'),
  blocksHole: blocks('hole'),
  blocksWritten: { metric: 'pbkfs_block_writes_total', help: 'Blocks of 8 KiB touched by writes' },
  blocksMaterialized: {
    metric: 'pbkfs_blocks_materialized_total',
    help: 'Blocks copied into the diff because they were read (PBKFS_MATERIALIZE_ON_READ)',
  },
  bytesRead: { metric: 'pbkfs_read_bytes_total', help: 'Bytes returned to readers' },
  bytesWritten: { metric: 'pbkfs_write_bytes_total', help: 'Bytes accepted from writers' },
  catalogBytesRead: { metric: 'pbkfs_catalog_read_bytes_total', help: 'Bytes read from the files of the catalog' },
  handleHit: { metric: 'pbkfs_handle_hits_total', help: 'Backing files that were open already when needed' },
  handleMiss: { metric: 'pbkfs_handle_misses_total', help: 'Backing files that had to be opened' },
  indexHit: cache('pbkfs_cache_hits_total', 'block_index', 'Look-ups served by a cache'),
  indexMiss: cache('pbkfs_cache_misses_total', 'block_index', 'Look-ups a cache could not serve'),
  pageHit: cache('pbkfs_cache_hits_total', 'decoded_page', 'Look-ups served by a cache'),
  pageMiss: cache('pbkfs_cache_misses_total', 'decoded_page', 'Look-ups a cache could not serve'),
  pageDamaged: {
    metric: 'pbkfs_verify_failures_total',
    label: ['kind', 'page'],
    help: 'Blocks refused with EIO because the catalog does not hold what was backed up',
  },
  rawDamaged: {
    metric: 'pbkfs_verify_failures_total',
    label: ['kind', 'raw'],
    help: 'Blocks refused with EIO because the catalog does not hold what was backed up',
  },
  chainChanged: {
    metric: 'pbkfs_verify_failures_total',
    label: ['kind', 'changed'],
    help: 'Blocks refused with EIO because the catalog does not hold what was backed up',
  },
  badInSource: {
    metric: 'pbkfs_pages_bad_in_source_total',
    help: 'Pages served although their checksum is wrong, because it was wrong when the backup was made',
  },
  errors: { metric: 'pbkfs_request_errors_total', help: 'Requests that ended in EIO' },
  replyGone: { metric: 'pbkfs_reply_gone_total', help: 'Replies the kernel no longer waited for; must stay 0' },
} as const satisfies Record<string, CounterDefinition>;

export type CounterName = keyof typeof counterDefinitions;

export const counterNames = Object.keys(counterDefinitions) as CounterName[];
