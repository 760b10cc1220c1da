// What `pbkfs mount` refuses: one clear error each, the documented exit status, and nothing changed.

import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { copyCatalog } from '../support/catalogs.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { privateCatalog } from '../support/private-catalog.js';
import { temporaryDirectory } from '../support/swept.js';

interface Ground {
  readonly base: string;
  readonly catalog: string;
  readonly mountpoint: string;
  readonly diff: string;
  /** Arguments of a mount that would work. */
  readonly good: Readonly<Record<string, string>>;
}

async function ground(t: Test, catalogName: 'mini' | 'states' | 'merging' = 'mini', instance = 'a'): Promise<Ground> {
  const base = temporaryDirectory('pbkfs-refusals-');
  t.teardown(() => rmSync(base, { recursive: true }));
  const mountpoint = join(base, 'mnt');
  const diff = join(base, 'diff');
  const { catalog } = await privateCatalog(t, catalogName);
  mkdirSync(mountpoint);
  return {
    base,
    catalog,
    mountpoint,
    diff,
    good: { '-B': catalog, '-I': instance, '-i': 'latest', '-D': mountpoint, '-d': diff },
  };
}

/**
 * Names, sizes and modes of everything below a directory, and the times of files. A directory's time changes when
 * pg_probackup's lock files come and go in it, which happens before the lists are read.
 */
function snapshot(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stat = statSync(join(directory, name));
      return `${name} ${stat.size} ${stat.mode} ${stat.isDirectory() ? 'directory' : stat.mtimeMs}`;
    });
}

async function refused(
  t: Test,
  where: Ground,
  options: Readonly<Record<string, string>>,
  status: number,
  message: RegExp,
): Promise<void> {
  const before = snapshot(where.base);
  const mounts = readFileSync('/proc/self/mounts', 'utf8').includes(where.base);
  const result = await pbkfs([
    'mount',
    ...Object.entries(options)
      .flat()
      .filter((text) => text !== ''),
  ]);
  t.equal(result.status, status);
  t.equal(result.stdout, '');
  const [first, second, ...rest] = result.stderr.trimEnd().split('\n');
  t.match(first, /^pbkfs: /);
  t.match(first, message);
  if (second !== undefined) t.match(second, /^hint: |^\(add --help/);
  t.strictSame(rest, [], 'one clear error');
  t.strictSame(snapshot(where.base), before, 'nothing changed');
  t.equal(readFileSync('/proc/self/mounts', 'utf8').includes(where.base), mounts);
}

const without = (options: Readonly<Record<string, string>>, ...keys: string[]) =>
  Object.fromEntries(Object.entries(options).filter(([key]) => !keys.includes(key)));

t.test('missing-catalog-instance-or-backup', async (t) => {
  const where = await ground(t);
  const { good, base } = where;
  await refused(t, where, { ...good, '-B': join(base, 'none') }, 1, /is not a pg_probackup catalog/);
  await refused(t, where, { ...good, '-I': 'nobody' }, 1, /has no instance "nobody"/);
  await refused(t, where, { ...good, '-i': 'ABCDEF' }, 1, /has no backup ABCDEF/);
});

t.test('a-first-mount-without-its-source-is-a-usage-error', async (t) => {
  const where = await ground(t);
  await refused(t, where, without(where.good, '-B'), 2, /does not exist yet: -B CATALOG must be given/);
  await refused(
    t,
    where,
    without(where.good, '-B', '-I', '-i'),
    2,
    /-B CATALOG -I INSTANCE -i BACKUP_ID must be given/,
  );
  await refused(t, where, without(where.good, '-D'), 2, /required option '-D/);
});

t.test('damaged-control-file-content-list-or-chain', async (t) => {
  const where = await ground(t);
  const catalog = await copyCatalog('mini', where.base);
  const good = { ...where.good, '-B': catalog, '-i': 'TOU5OV' };
  const full = join(catalog, 'backups', 'a', 'TOU5OE');
  const list = readFileSync(join(full, 'backup_content.control'));
  writeFileSync(join(full, 'backup_content.control'), list.subarray(0, list.length - 100));
  await refused(t, where, good, 1, /TOU5OE/);
  writeFileSync(join(full, 'backup_content.control'), list);
  truncateSync(join(full, 'backup.control'), 0);
  await refused(t, where, good, 1, /backup TOU5OV cannot be mounted: .*TOU5OE/);
  rmSync(full, { recursive: true });
  await refused(t, where, good, 1, /its parent TOU5OE is missing/);
});

t.test('backups-in-a-wrong-state (trap 11)', async (t) => {
  const where = await ground(t, 'states', 'main');
  for (const [id, state] of [
    ['TOU3WS', 'CORRUPT'],
    ['TOU3X3', 'ORPHAN'],
    ['TOU3XQ', 'RUNNING'],
    ['TOU3YU', 'ERROR'],
  ] as const) {
    await refused(t, where, { ...where.good, '-i': id }, 1, new RegExp(`${id} .*${state}`));
  }
  await refused(t, where, { ...where.good, '-i': 'TOU3XQ', '--force': '' }, 1, /RUNNING/);
  const merging = await ground(t, 'merging', 'main');
  await refused(t, merging, { ...merging.good, '-i': 'TOU439' }, 1, /MERGING/);
  await refused(t, merging, merging.good, 1, /has no backup that can be mounted/);
});

t.test('mount-points-that-cannot-be-used', async (t) => {
  const where = await ground(t);
  const { good, base, mountpoint, diff } = where;
  await refused(t, where, { ...good, '-D': join(base, 'none') }, 1, /mount point .* does not exist/);
  await refused(t, where, { ...good, '-d': join(mountpoint, 'diff') }, 1, /the diff .* lies within the mount point/);
  mkdirSync(join(diff, 'mnt'), { recursive: true });
  await refused(
    t,
    where,
    { ...good, '-D': join(diff, 'mnt') },
    1,
    /not empty and not a pbkfs diff|lies within the diff/,
  );
  rmSync(diff, { recursive: true });
  await refused(t, where, { ...good, '-d': join(where.catalog, 'diff') }, 1, /the diff .* lies within the catalog/);
  writeFileSync(join(mountpoint, 'file'), '');
  await refused(t, where, good, 1, /is not empty: it holds 1 name/);
});

t.test('diffs-that-are-not-ours-damaged-or-of-another-backup', { skip: mountMissing }, async (t) => {
  const where = await ground(t);
  const { good, diff, mountpoint } = where;
  mkdirSync(diff);
  writeFileSync(join(diff, 'PG_VERSION'), '15');
  await refused(t, where, good, 1, /is not empty and not a pbkfs diff: it holds "PG_VERSION"/);
  rmSync(join(diff, 'PG_VERSION'));
  t.equal((await pbkfs(['mount', ...Object.entries(good).flat()])).status, 0);
  t.equal((await pbkfs(['unmount', '-D', mountpoint])).status, 0);
  await refused(t, where, { ...good, '-i': 'TOU5OE' }, 1, /belongs to another backup: backup TOU5OE instead of TOU5PO/);
  await refused(t, where, { ...good, '-I': 'b' }, 1, /belongs to another backup: instance b instead of a/);
  const binding = readFileSync(join(diff, 'binding.json'), 'utf8');
  writeFileSync(join(diff, 'binding.json'), binding.slice(0, 50));
  await refused(t, where, good, 1, /binding\.json is damaged/);
  writeFileSync(join(diff, 'binding.json'), binding.replace('"formatVersion": 1', '"formatVersion": 99'));
  await refused(t, where, good, 1, /has format 99/);
});

t.test('a-mount-point-or-diff-in-use (trap 34)', { skip: mountMissing }, async (t) => {
  const where = await ground(t);
  const { good, base, diff, mountpoint } = where;
  const other = join(base, 'other');
  mkdirSync(other);
  t.equal((await pbkfs(['mount', ...Object.entries(good).flat()])).status, 0);
  t.teardown(() => pbkfs(['unmount', '-D', mountpoint]));
  const busy = async (options: Record<string, string>, message: RegExp) => {
    const result = await pbkfs(['mount', ...Object.entries(options).flat()]);
    t.equal(result.status, 1);
    t.match(result.stderr, message);
  };
  await busy({ ...good, '-d': join(base, 'diff2') }, /is a mount point already: the pbkfs mount of pbkfs:a\/TOU5PO/);
  await busy({ ...good, '-D': other }, /the diff .* is in use by process \d+, mounted on .*\nhint: pbkfs unmount -D/);
  t.strictSame(readdirSync(base).sort(), ['diff', 'mnt', 'other']);
  const fd = openSync(mountpoint, 'r');
  const unmounted = await pbkfs(['unmount', '-D', mountpoint, '--stop-timeout', '1']);
  closeSync(fd);
  t.equal(unmounted.status, 1);
  t.match(
    unmounted.stderr,
    new RegExp(`^pbkfs: ${mountpoint} is in use, it stays mounted; held by process ${process.pid} `, 'm'),
  );
  t.equal(JSON.parse(readFileSync(join(diff, 'binding.json'), 'utf8')).lastMount.state, 'mounted');
});

t.test('a-moved-catalog-is-found-again-with-B', { skip: mountMissing }, async (t) => {
  const where = await ground(t);
  const { base, diff, mountpoint } = where;
  const first = await copyCatalog('mini', base);
  const run = (...args: string[]) => pbkfs(['mount', '-D', mountpoint, '-d', diff, ...args]);
  t.equal((await run('-B', first, '-I', 'a', '-i', 'tou5pO')).status, 0, 'ids match without case (trap 12)');
  t.equal((await pbkfs(['unmount', '-D', mountpoint])).status, 0);
  rmSync(first, { recursive: true });
  const lost = await run();
  t.equal(lost.status, 1);
  t.match(lost.stderr, /is not a pg_probackup catalog.*\nhint: .*give its new place with -B/);
  t.equal((await run('-B', where.catalog)).status, 0);
  t.equal((await pbkfs(['unmount', '-D', mountpoint])).status, 0);
  t.match(JSON.parse(readFileSync(join(diff, 'binding.json'), 'utf8')), {
    catalog: where.catalog,
    backup: { backupId: 'TOU5PO' },
  });
});
