// pbkfs export: the copy is what the mount shows, from the mount and from its diff, and nothing is left when it fails.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import type { BlockOrigin } from '../../src/mount/index.js';
import { SmallMount, smallMount } from '../mount/small-mount.js';
import { CLI, mountMissing, pbkfs } from '../support/mount.js';
import { run, runOk } from '../support/run.js';
import { smallFiles, writeSmallCatalog } from '../support/small-catalog.js';
import { temporaryDirectory } from '../support/swept.js';
import { until } from '../support/until.js';

/** Everything a copy has to keep, by path; links of tablespaces are followed. */
function picture(root: string, path = ''): Map<string, string> {
  const found = new Map<string, string>();
  const stat = path.startsWith('pg_tblspc/')
    ? statSync(join(root, path), { bigint: true })
    : lstatSync(join(root, path), { bigint: true });
  const owner = `${stat.mode} ${stat.uid}:${stat.gid} ${stat.mtimeNs} ${stat.atimeNs}`;
  if (stat.isDirectory()) {
    found.set(path, owner);
    for (const name of readdirSync(join(root, path))) {
      for (const [below, what] of picture(root, path === '' ? name : `${path}/${name}`)) found.set(below, what);
    }
  } else if (stat.isSymbolicLink()) found.set(path, `${owner} -> ${readlinkSync(join(root, path))}`);
  else found.set(path, `${owner} ${readFileSync(join(root, path)).toString('base64')}`);
  return found;
}

t.test('Ctrl-C and Ctrl-\\ while it copies leave nothing, and the diff in order', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const to = join(mount.base, 'copy');
  writeFileSync(mount.path('base/1/large'), '');
  // Takes no room, and longer to be copied than anybody waits.
  truncateSync(mount.path('base/1/large'), 2 ** 40);
  for (const [from, signal, wanted] of [
    [mount.mountpoint, 'SIGINT', 130],
    [mount.mountpoint, 'SIGQUIT', 131],
    [mount.diff, 'SIGINT', 130],
  ] as const) {
    if (from === mount.diff) await mount.unmount();
    const child = spawn(process.execPath, [CLI, 'export', from, '-o', to, '--force'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    let said = '';
    child.stderr.on('data', (data: Buffer) => {
      said += data.toString();
    });
    await until(() => existsSync(join(to, 'base/1/large')), 60_000);
    child.kill(signal);
    const [status] = (await once(child, 'close')) as [number];
    t.equal(status, wanted, said);
    t.ok(said.split('\n').includes(`pbkfs: ${signal}: the copy was not made`), said);
    t.strictSame(readdirSync(to), []);
  }
  t.equal(mount.state().state, 'clean');
  t.match(await pbkfs(['fsck', '-d', mount.diff]), { status: 0, stdout: /the diff is sound\n$/ });
});

const TABLESPACE = 'pg_tblspc/16385/PG_15_202209061/5/300';

t.test('the copy of a mount and that of its diff are what the mount shows', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t, (base) => mkdirSync(join(base, 'дифф 1/ü'), { recursive: true })!);
  const { mountpoint, diff, base } = mount;
  writeFileSync(mount.path('base/1/new файл'), Buffer.concat([Buffer.alloc(3 * 8192), Buffer.from('end')]));
  writeFileSync(mount.path('base/1/raw'), 'changed', { flag: 'r+' });
  truncateSync(mount.path('base/1/100'), 3 * 8192 + 10);
  chmodSync(mount.path('base/1/small'), 0o640);
  mkdirSync(mount.path('base/9'), { mode: 0o750 });
  writeFileSync(mount.path('base/9/empty'), '');
  symlinkSync(join(mountpoint, 'base/9'), mount.path('base/inside'));
  symlinkSync('1/small', mount.path('base/relative'));
  utimesSync(mount.path('base/9'), 1_000_000_000.25, 1_100_000_000.5);
  const shown = picture(mountpoint);
  const copy = join(base, 'копия 1');
  t.match(await pbkfs(['export', mountpoint, '-o', copy, '-j', '2', '--json']), { status: 0, stderr: '' });
  const link = shown.get('base/inside')!.replace(mountpoint, copy);
  t.strictSame(picture(copy), new Map(shown).set('base/inside', link));
  t.ok(lstatSync(join(copy, 'pg_tblspc/16385')).isDirectory(), 'a tablespace is a directory in place');
  t.ok(statSync(join(copy, 'base/1/new файл')).blocks * 512 <= 8192, 'blocks of zeros are holes');
  t.match(await pbkfs(['export', mountpoint, '-o', copy]), { status: 1, stderr: /is not empty\nhint: / });
  t.match(await pbkfs(['export', mountpoint, '-o', '/proc/no/copy']), {
    status: 1,
    stderr: /cannot make \/proc\/no\/copy: ENOENT.*\nhint: /,
  });
  for (const place of [join(mountpoint, 'base/9'), join(diff, 'copy'), join(mount.catalog, 'copy')]) {
    t.match(await pbkfs(['export', mountpoint, '-o', place]), { status: 1, stderr: /lie within each other/ });
  }
  t.match(await pbkfs(['export', diff, '-o', join(base, 'none')]), { status: 1, stderr: /in use by process/ });
  await mount.kill9();
  t.match(await pbkfs(['export', mountpoint, '-o', join(base, 'none')]), { status: 1, stderr: /is dead/ });
  await mount.unmountDead();
  t.match(await pbkfs(['fsck', '-d', diff]), { status: 0, stdout: /: was killed, or the host was\n/ });
  const second = join(base, 'second');
  t.match(await pbkfs(['export', diff, '-o', second]), { status: 0, stdout: /^exported .*: \d+ files/ });
  t.strictSame(
    withoutAccess(picture(second)),
    withoutAccess(new Map(shown).set('base/inside', link.replace(copy, second))),
    'what a killed mount left is recovered first',
  );
  t.match(await pbkfs(['fsck', '-d', diff]), { status: 0, stdout: /: ended cleanly, or made good since\n/ });
  const space = join(base, 'space');
  const mapped = ['-T', `/production/space=${space}`, '--no-sync'];
  t.match(await pbkfs(['export', diff, '-o', join(base, 'third'), ...mapped]), { status: 0 });
  t.equal(readlinkSync(join(base, 'third/pg_tblspc/16385')), space);
  t.ok(readFileSync(join(base, 'third', TABLESPACE)).equals(smallFiles.get(TABLESPACE)!));
  await mount.remount();
  t.strictSame([...picture(mountpoint).keys()].sort(), [...shown.keys()].sort(), 'the diff is as before');
  await mount.unmount();
});

/** A write by a killed mount has told nobody its time; what counts is taken from the object. */
function withoutAccess(entries: Map<string, string>): [string, string][] {
  return [...entries].map(([path, what]): [string, string] => [path, what.replace(/ \d+ \d+(?= |$)/, '')]).sort();
}

t.test('a copy that fails leaves nothing', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const found = await pbkfs(['info', mount.mountpoint, '--file', 'base/1/100', '--block', '3', '--json']);
  const { block } = JSON.parse(found.stdout) as { block: BlockOrigin };
  await mount.unmount();
  const bytes = readFileSync(block.stored!);
  bytes.fill(0xff, block.offset! + 8 + 100, block.offset! + 8 + 110);
  writeFileSync(block.stored!, bytes);
  const copy = join(mount.base, 'copy');
  const { status, stderr } = await pbkfs(['export', mount.diff, '-o', copy]);
  t.equal(status, 1);
  t.match(stderr, /^pbkfs: backup \w+, file .*base\/1\/100: block 3: /);
  t.strictSame(readdirSync(copy), []);
  t.match(await pbkfs(['export', mount.base, '-o', copy]), { status: 1, stderr: /not a pbkfs diff/ });
  t.match(await pbkfs(['export', mount.diff, '-o', copy, '-T', 'x=y']), { status: 2, stderr: /OLD=NEW/ });
  t.match(await pbkfs(['export', mount.diff, '-o', copy, '-T', `/none=${copy}2`]), {
    status: 2,
    stderr: /no tablespace \/none\nhint: it has \/production\/space \(16385\)/,
  });
  t.notOk(existsSync(`${copy}2`));
});

/** Why no XFS can be made here; false where it can. */
const xfsMissing: string | false = mountMissing
  ? mountMissing
  : ['/sbin/mkfs.xfs', '/usr/sbin/mkfs.xfs'].some((path) => existsSync(path)) && existsSync('/dev/loop-control')
    ? false
    : 'mkfs.xfs or loop devices are missing (Debian: apt-get install xfsprogs)';

/** Whether all blocks of a file are shared with another. */
async function isShared(path: string): Promise<boolean> {
  const { stdout } = await run('filefrag', ['-v', path]);
  const extents = stdout.split('\n').filter((line) => /^ +\d+: /.test(line));
  return extents.length > 0 && extents.every((line) => line.includes('shared'));
}

t.test(
  'files that the catalog stores as they are share its blocks, once they have their CRC',
  { skip: xfsMissing },
  async (t) => {
    const image = join(temporaryDirectory('pbkfs-xfs-'), 'image');
    t.teardown(() => rmSync(dirname(image), { recursive: true, force: true }));
    const volume = join(dirname(image), 'volume');
    mkdirSync(volume);
    await runOk('truncate', ['-s', '400M', image]);
    await runOk('mkfs.xfs', ['-q', '-m', 'reflink=1', image]);
    await runOk('mount', ['-o', 'loop', image, volume]);
    t.teardown(() => run('umount', [volume]));
    const mount = new SmallMount(volume, join(volume, 'diff'));
    for (const directory of [mount.mountpoint, mount.faults, mount.catalog]) mkdirSync(directory);
    // Before its file system goes: teardown handlers run last to first.
    t.teardown(() => mount.discard());
    writeSmallCatalog(mount.catalog);
    await mount.first();
    const made = randomBytes(64 * 1024);
    writeFileSync(mount.path('base/1/made'), made);
    writeFileSync(mount.path('base/1/small'), 'changed', { flag: 'r+' });
    const shown = readFileSync(mount.path('base/1/small'));
    const found = await pbkfs(['info', mount.mountpoint, '--file', 'base/1/raw', '--block', '0', '--json']);
    const { stored } = (JSON.parse(found.stdout) as { block: BlockOrigin }).block;
    await mount.unmount();
    const copy = join(volume, 'copy');
    t.match(await pbkfs(['export', mount.diff, '-o', copy]), { status: 0, stderr: '' });
    for (const [name, content] of [
      ['base/1/raw', smallFiles.get('base/1/raw')!],
      ['base/1/made', made],
      ['base/1/small', shown],
      ['base/1/100', smallFiles.get('base/1/100')!],
    ] as const) {
      t.ok(readFileSync(join(copy, name)).equals(content), name);
    }
    t.ok(await isShared(join(copy, 'base/1/raw')), 'of the catalog');
    t.ok(await isShared(join(copy, 'base/1/made')), 'of the diff');
    t.notOk(await isShared(join(copy, 'base/1/small')), 'changed on the mount');
    const bytes = readFileSync(stored!);
    bytes[100]! ^= 1;
    writeFileSync(stored!, bytes);
    t.match(await pbkfs(['export', mount.diff, '-o', `${copy}2`]), { status: 1, stderr: /base\/1\/raw: it has CRC/ });
    t.strictSame(readdirSync(`${copy}2`), [], 'damage is not shared');
  },
);

t.test('without room nothing is begun; --force tries, and leaves nothing', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const little = join(mount.base, 'little');
  mkdirSync(little);
  await runOk('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', little]);
  t.teardown(() => run('umount', [little]));
  t.match(await pbkfs(['export', mount.mountpoint, '-o', join(little, 'copy')]), {
    status: 1,
    stderr: /^pbkfs: .*copy has room for \d\.\d MiB, the copy takes \d\.\d MiB\nhint: nothing was copied/,
  });
  t.match(await pbkfs(['export', mount.mountpoint, '-o', join(little, 'copy'), '--force']), {
    status: 1,
    stderr: /^pbkfs: .*ENOSPC/,
  });
  t.strictSame(readdirSync(join(little, 'copy')), []);
});

t.test(
  'a diff whose recovery settings were never written is exported with a warning',
  { skip: mountMissing },
  async (t) => {
    const mount = await smallMount(t);
    await mount.unmount();
    const file = join(mount.diff, 'binding.json');
    const unwritten = { target: { kind: 'immediate' }, timeline: 'current', action: 'pause' };
    const binding = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...binding, unwritten }));
    const copy = (name: string): ReturnType<typeof pbkfs> =>
      pbkfs(['export', mount.diff, '-o', join(mount.base, name)]);
    t.match(await copy('without'), { status: 0, stderr: /^pbkfs: warning: the copy has no recovery settings: / });
    t.notOk(existsSync(join(mount.base, 'without/recovery.signal')));
    await mount.remount();
    await mount.unmount();
    const settings = join(mount.base, 'with/postgresql.auto.conf');
    const command = `restore_command = 'pbkfs archive-get -B ${mount.catalog} -I main %f %p'`;
    const result = await copy('with');
    t.match(result, { status: 0, stderr: /^pbkfs: warning: a server on the copy has yet to recover, / });
    t.ok(result.stderr.includes(`put ${command} into ${settings}`), result.stderr);
    t.ok(existsSync(join(mount.base, 'with/recovery.signal')));
  },
);
