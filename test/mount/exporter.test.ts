// pbkfs exporter: mounts that hang, foreign samples, catalogs.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { catalogSamples } from '../../src/mount/exporter/catalog-samples.js';
import { CatalogWatch } from '../../src/mount/exporter/catalog-watch.js';
import { HostMounts, mergeScrapes } from '../../src/mount/exporter/host-mounts.js';
import { startTime, writeCatalog } from '../support/catalog-writer.js';
import { extractCatalog } from '../support/catalogs.js';
import { pbkfs } from '../support/mount.js';
import { temporaryDirectory } from '../support/swept.js';

function directory(t: Test): string {
  const made = temporaryDirectory('pbkfs-exporter-');
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

t.test('a mount that hangs or is dead does not hold up the others', async (t) => {
  const base = directory(t);
  const mounts = ['good', 'hangs', 'dead'].map((name) => join(base, name));
  for (const mount of mounts.slice(0, 2)) mkdirSync(join(mount, '.pbkfs'), { recursive: true });
  writeFileSync(join(mounts[0]!, '.pbkfs/metrics'), 'text\n');
  // Nobody ever writes to it: whoever opens it waits.
  execFileSync('mkfifo', [join(mounts[1]!, '.pbkfs/metrics')]);
  const host = new HostMounts(1000, () => mounts);
  let answers = 0;
  for (let round = 0; round < 2 || (answers === 0 && round < 20); round++) {
    const begun = Date.now();
    const [one, two] = await Promise.all([host.scrape(), host.scrape()]);
    t.ok(Date.now() - begun < 30_000);
    t.strictSame(two, one, 'two scrapers at a time see the same');
    t.strictSame(
      one.map(({ text }) => text !== undefined),
      [text(one[0]!), false, false],
    );
    if (text(one[0]!)) answers++;
  }
  t.ok(answers > 0, 'the good one was read');
});

t.test('each scrape tells what a mount says then', async (t) => {
  const mount = directory(t);
  mkdirSync(join(mount, '.pbkfs'));
  const host = new HostMounts(30_000, () => [mount]);
  for (const text of ['one\n', 'two\n']) {
    writeFileSync(join(mount, '.pbkfs/metrics'), text);
    t.strictSame(await host.scrape(), [{ mountpoint: mount, text }]);
  }
});

/** On a machine that is very busy even the good one may be late; it must not be wrong. */
const text = (mount: { text: string | undefined }): boolean => mount.text === 'text\n';

t.test('each metric once, and only what a mount may say of itself', async (t) => {
  const sample = (mountpoint: string, rest = '', value = 1): string =>
    `pbkfs_block_reads_total{mountpoint="${mountpoint}",source="diff"${rest}} ${value}`;
  const merged = mergeScrapes([
    {
      mountpoint: '/a',
      text: `# HELP x y\n${sample('/a')}\n${sample('/a', '', 2)}\n${sample('/b')}\nnode_load1{mountpoint="/a"} 3\npbkfs_catalog_up{mountpoint="/a"} 1\n`,
    },
    {
      mountpoint: '/b',
      text: `pbkfs_inodes{mountpoint="/b"} 7\n${sample('/b')}\npbkfs_fuse_request_duration_seconds_count{mountpoint="/b",op="read"} 4\npbkfs_fuse_request_duration_seconds{mountpoint="/b"} 4\n`,
    },
    { mountpoint: '/c "d"', text: 'pbkfs_inodes{mountpoint="/c \\"d\\""} 1e+06\n' },
    { mountpoint: '/dead', text: undefined },
  ]);
  t.equal(merged.match(/^# TYPE pbkfs_block_reads_total counter$/gm)?.length, 1);
  t.strictSame(
    merged.split('\n').filter((line) => line !== '' && !line.startsWith('#')),
    [
      'pbkfs_fuse_request_duration_seconds_count{mountpoint="/b",op="read"} 4',
      sample('/a'),
      sample('/b'),
      'pbkfs_inodes{mountpoint="/b"} 7',
      'pbkfs_inodes{mountpoint="/c \\"d\\""} 1e+06',
    ],
  );
});

t.test('backups are counted by instance, mode and status', async (t) => {
  const catalog = join(await extractCatalog('states'), 'catalog');
  const samples = catalogSamples(catalog);
  const of = (metric: string) => samples.filter((sample) => sample.metric === metric);
  const total = of('pbkfs_catalog_backups').reduce((sum, { value }) => sum + value, 0);
  t.ok(total > 5);
  t.ok(of('pbkfs_catalog_backups').some(({ labels }) => labels!.status === 'CORRUPT' && labels!.mode === 'DELTA'));
  t.ok(
    of('pbkfs_catalog_backups').every(
      ({ labels }) => labels!.catalog === catalog && labels!.backup_instance === 'main',
    ),
  );
  const full = of('pbkfs_catalog_latest_backup_timestamp_seconds').find(({ labels }) => labels!.mode === 'FULL')!;
  t.ok(full.value > Date.UTC(2026, 10, 1) / 1000 && full.value < Date.UTC(2027, 0, 1) / 1000);
  t.ok(of('pbkfs_catalog_stored_bytes').some(({ labels, value }) => labels!.mode === 'FULL' && value > 1e6));
  t.ok(of('pbkfs_catalog_mountable_backups').some(({ value }) => value > 0));
});

t.test('sizes, times and what can be mounted, by mode', async (t) => {
  const path = directory(t);
  const at = (seconds: number): string =>
    `'${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}+00'`;
  const [first, second, third, fourth] = [0, 1, 2, 3].map(startTime) as [number, number, number, number];
  const full = (start: number, control: Readonly<Record<string, string | number>>, status = 'OK') => ({
    ...{ start, control, status },
    ...{ mode: 'FULL' as const, files: [] },
  });
  writeCatalog(path, [
    full(first, { 'data-bytes': 100, 'end-time': at(first + 5) }),
    full(second, { 'data-bytes': -1 }),
    full(third, { 'data-bytes': 7, 'end-time': at(third + 5) }, 'ERROR'),
    { start: fourth, mode: 'DELTA', parent: third, files: [] },
  ]);
  const samples = catalogSamples(path);
  const of = (metric: string, mode: string): number[] =>
    samples.filter((sample) => sample.metric === metric && sample.labels!.mode === mode).map(({ value }) => value);
  for (const [metric, ofFull, ofDelta] of [
    ['pbkfs_catalog_backups', [1, 2], [1]],
    ['pbkfs_catalog_stored_bytes', [107], [0]],
    ['pbkfs_catalog_mountable_backups', [2], [0]],
    ['pbkfs_catalog_oldest_backup_timestamp_seconds', [first + 5], []],
    ['pbkfs_catalog_latest_backup_timestamp_seconds', [second], []],
  ] as const)
    t.strictSame([of(metric, 'FULL').sort(), of(metric, 'DELTA')], [ofFull, ofDelta], metric);
});

t.test('a catalog that goes away is down, and up again when it is back', async (t) => {
  const base = directory(t);
  const path = join(base, 'catalog');
  const watch = new CatalogWatch(path);
  const up = async (): Promise<number> =>
    (await watch.samples()).find(({ metric }) => metric === 'pbkfs_catalog_up')!.value;
  // It does not wait for long, as on a machine that is very busy.
  const refusal = (): Promise<unknown> =>
    watch.mustBeCatalog().then(
      () => undefined,
      (error: unknown) => error,
    );
  let refused: unknown;
  for (const deadline = Date.now() + 30_000; refused === undefined && Date.now() < deadline; )
    refused = await refusal();
  t.match(refused, { code: 'catalog_not_found', hint: /pg_probackup init/ });
  t.equal(await up(), 0);
  mkdirSync(join(path, 'backups'), { recursive: true });
  mkdirSync(join(path, 'wal'));
  chmodSync(path, 0o755);
  for (const deadline = Date.now() + 30_000; (await up()) === 0 && Date.now() < deadline; );
  t.equal(await up(), 1);
  await watch.mustBeCatalog();
});

t.test('the exporter does not start with what is no catalog', async (t) => {
  const base = directory(t);
  const listen = ['--listen', `unix:${join(base, 'socket')}`];
  for (const catalog of [join(base, 'none'), base]) {
    t.match(await pbkfs(['exporter', '-B', catalog, ...listen]), {
      status: 1,
      stdout: '',
      stderr: `pbkfs: ${catalog} is not a pg_probackup catalog: it has no directory "backups"\nhint: `,
    });
  }
});
