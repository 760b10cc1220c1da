// mount.pbkfs: lines of /etc/fstab, and the real mount(8).

import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { fstabArguments } from '../../src/cli/fstab.js';
import { unmounted } from '../mount/small-mount.js';
import { isMounted, mountMissing, pbkfs } from '../support/mount.js';
import { repoRoot } from '../support/paths.js';
import { run } from '../support/run.js';
import { smallFiles } from '../support/small-catalog.js';

const { bin } = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')) as { bin: Record<string, string> };
/** What `npm install -g` puts beside pbkfs. */
const HELPER = join(repoRoot, bin['mount.pbkfs']!);

t.test('options of fstab become options of pbkfs mount', async (t) => {
  const line =
    'rw,noauto,nofail,x-systemd.automount,instance=main,backup-id=latest,diff="/var/a,b",allow_other,diff-limit=2GB';
  t.strictSame(fstabArguments(['/back up', '/mnt/pg', '-o', line, '-t', 'pbkfs', '-v']), [
    ...['mount', '-D', '/mnt/pg', '--fsname', '/back up', '-B', '/back up'],
    ...['--instance', 'main', '--backup-id', 'latest'],
    ...['--diff', '/var/a,b', '--allow-other', '--diff-limit', '2GB'],
  ]);
  t.strictSame(fstabArguments(['none', '/mnt', '-r', '-o', 'config=/x']), [
    'mount',
    '-D',
    '/mnt',
    '--fsname',
    'none',
    '--read-only',
    '--config',
    '/x',
  ]);
  t.strictSame(
    fstabArguments(['none', '/mnt', '-o', 'metrics-listen,no-wal,wal-dir=/fast/wal,metrics-listen=127.0.0.1:9200']),
    [
      'mount',
      '-D',
      '/mnt',
      '--fsname',
      'none',
      '--metrics-listen',
      '--no-wal',
      '--wal-dir',
      '/fast/wal',
      '--metrics-listen',
      '127.0.0.1:9200',
    ],
    'a value that may be left out',
  );
  t.equal(fstabArguments(['none', '/mnt', '-sf']), null);
  for (const [args, message] of [
    [['/a'], /needs a source and a directory/],
    [['/a', '/b', '-o', 'bogus'], /unknown mount option bogus/],
    [['/a', '/b', '-o', 'threads'], /threads needs a value/],
    [['/a', '/b', '-o', 'force=1'], /force takes no value/],
  ] as const) {
    t.throws(() => fstabArguments(args), { code: 'usage', message });
  }
});

t.test('mount -t pbkfs and mount -t fuse.pbkfs, from a table of mounts', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  // A private mount namespace with the helper in /sbin; mounts of pbkfs in it reach us by sharing only their own directory.
  const sbin = join(mount.base, 'sbin');
  mkdirSync(sbin);
  const helper = join(sbin, 'mount.pbkfs');
  writeFileSync(helper, `#!/bin/sh\nexec '${process.execPath}' '${HELPER}' "$@"\n`);
  chmodSync(helper, 0o755);
  const fstab = join(mount.base, 'fstab');
  const options = `instance=main,backup-id=latest,diff=${mount.diff}`;
  for (const [type, source] of [
    ['pbkfs', mount.catalog],
    ['fuse.pbkfs', 'none'],
  ] as const) {
    writeFileSync(
      fstab,
      `${source} ${mount.mountpoint} ${type} ${source === 'none' ? `diff=${mount.diff}` : options},nofail 0 0\n`,
    );
    const script = `
      set -e
      upper=/sbin; [ -L /sbin ] && upper=$(readlink -f /sbin)
      for name in mount.pbkfs mount.fuse.pbkfs; do touch "$upper/$name" 2>/dev/null || true; done
      mount --bind '${helper}' "$upper/mount.pbkfs"
      mount --bind '${helper}' "$upper/mount.fuse.pbkfs"
      mount -T '${fstab}' '${mount.mountpoint}'
      mount -T '${fstab}' -a
      df --output=source '${mount.mountpoint}' | tail -n 1
      cat '${mount.mountpoint}/base/1/raw'
      '${process.execPath}' '${mount.program[0]}' unmount -D '${mount.mountpoint}' >&2
      umount "$upper/mount.pbkfs" "$upper/mount.fuse.pbkfs"`;
    const result = await run('unshare', ['-m', 'sh', '-c', script], { timeout: 100_000 });
    t.match(result, { status: 0 }, `${type}: ${result.stderr}`);
    t.ok(result.stdout.endsWith(`\n${source}\n${smallFiles.get('base/1/raw')}`), 'its files are there, once');
    await run('sh', ['-c', 'find /sbin/mount.pbkfs /sbin/mount.fuse.pbkfs -empty -delete']);
  }
  t.notOk(isMounted(mount.mountpoint));
  t.match(readFileSync(fstab, 'utf8'), 'fuse.pbkfs');
  t.match((await pbkfs(['mount', '-D', mount.mountpoint, '-d', mount.diff])).status, 0, 'the diff is in order');
});

t.test('failures give the exit statuses of mount(8)', async (t) => {
  t.match(await run(process.execPath, [HELPER, '/a']), { status: 1, stderr: /^pbkfs: mount\.pbkfs needs/ });
  t.match(await run(process.execPath, [HELPER, '/none', '/tmp', '-o', 'ro,instance=a,backup-id=b']), {
    status: 32,
    stderr: /^pbkfs: /,
  });
});
