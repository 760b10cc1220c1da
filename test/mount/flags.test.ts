// Every option of `pbkfs mount` that no test of its own shows: what it changes, by flag, by environment and from a file.

import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountOptions } from '../../src/cli/mount-options.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { repoRoot } from '../support/paths.js';
import { run } from '../support/run.js';
import { type SmallMount, unmounted } from './small-mount.js';

interface Status {
  readonly settings: { readonly uid: number; readonly verify: string; readonly materializeOnRead: boolean };
  readonly threads: { readonly data: number };
  readonly server: { readonly backend: string };
  readonly diffBudget: { readonly limitBytes: number | null };
}

function status(mount: SmallMount): Status {
  return JSON.parse(readFileSync(mount.path('.pbkfs/status.json'), 'utf8')) as Status;
}

t.test('every option of mount is used by a test that mounts', async (t) => {
  const texts = ['mount', 'e2e', 'cli', 'fs'].flatMap((folder) =>
    readdirSync(join(repoRoot, 'test', folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts') && name !== 'settings.test.ts')
      .map((name) => readFileSync(join(repoRoot, 'test', folder, name), 'utf8')),
  );
  for (const { long, short } of mountOptions()) {
    const used = [long!, ...(short === undefined ? [] : [short])].some((flag) =>
      texts.some((text) => text.includes(`'${flag}'`) || text.includes(`${flag}=`)),
    );
    t.ok(used, long!);
  }
});

t.test('by flag', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  const { catalog, mountpoint, diff, base } = mount;
  const first = ['--backup-path', catalog, '--instance', 'main', '--backup-id', 'latest'];
  const log = join(base, 'журнал.log');
  const pid = join(base, 'pid');
  const result = await pbkfs([
    ...['mount', ...first, '--mountpoint', `${mountpoint}/`, '--diff', `${diff}/`, '--wait', '--timeout', '100'],
    ...[
      '--uid',
      '1234',
      '--gid',
      '2345',
      '--threads',
      '3',
      '--verify',
      'off',
      '--allow-other',
      '--read-ahead',
      '512',
      '--cache-size',
      '64MB',
    ],
    ...['--backend', 'kernel', '--materialize-on-read', '--diff-limit', '100MB', '--no-recovery-config'],
    ...['--log-file', log, '--log-format', 'json', '--log-level', 'info', '--log-activity', '0', '--pid-file', pid],
  ]);
  t.match(result, { status: 0, stderr: '' });
  t.match(statSync(mount.path('base/1/100')), { uid: 1234, gid: 2345 });
  t.match(status(mount), {
    settings: { uid: 1234, gid: 2345, verify: 'off', materializeOnRead: true, perfUnsafe: false, noWal: false },
    threads: { data: 3 },
    server: { backend: 'kernel', readAhead: 512 },
    diffBudget: { limitBytes: 100 * 2 ** 20 },
    cache: { limitBytes: 64 * 2 ** 20 },
  });
  t.equal(readFileSync(pid, 'utf8').trim(), String(mount.process().pid));
  readFileSync(mount.path('base/1/100'));
  t.ok(readdirSync(join(diff, 'objects')).length > 0, 'what was read lies in the diff');
  t.match(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(`${mountpoint} .*allow_other`));
  t.match(await pbkfs(['unmount', '--mountpoint', `${mountpoint}/`]), { status: 0 });
  t.notOk(existsSync(pid));
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  t.match(JSON.parse(lines.at(-1)!), { level: 'info', message: 'unmounted', status: 0 });
});

t.test('by environment and from a file: flag first, then environment, then file', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  const { base, mountpoint } = mount;
  const file = join(base, 'my pbkfs.toml');
  const paths = ['backup-path = "catalog"', 'mountpoint = "mount"', 'diff = "diff"', 'log-file = "from file.log"'];
  writeFileSync(
    file,
    `[mount]\n${paths.join('\n')}\ninstance = "main"\nbackup-id = "latest"\nthreads = 4\nverify = "structure"\nuid = 77\n`,
  );
  const env = { PBKFS_CONFIG: file, PBKFS_THREADS: '3', PBKFS_VERIFY: 'off', PBKFS_PERF_UNSAFE: 'true' };
  t.match(await pbkfs(['mount', '--threads', '2'], env), { status: 0, stderr: '' });
  t.match(status(mount), { threads: { data: 2 }, settings: { verify: 'off', uid: 77, perfUnsafe: true } });
  t.ok(existsSync(join(base, 'from file.log')), 'relative paths count from the file');
  t.ok(existsSync(join(mount.diff, '.pbkfs-dirty')));
  await mount.unmount();
  t.match(await pbkfs(['mount', '--config', file]), { status: 0 });
  t.match(status(mount), { threads: { data: 4 }, settings: { verify: 'structure', perfUnsafe: false } });
  t.match(await pbkfs(['unmount', '-D', mountpoint]), { status: 0 });
});

t.test('a standby: command, primary and slot stand in its configuration', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  chownSync(mount.mountpoint, 4321, 4321);
  const where = ['-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mount.mountpoint, '-d', mount.diff];
  const primary = ['--restore-as-replica', '--primary-conninfo', "host=it's", '--primary-slot-name', 'slot_1'];
  t.match(await pbkfs(['mount', ...where, ...primary, '--restore-command', 'cp /archive/%f %p']), { status: 0 });
  const text = readFileSync(mount.path('postgresql.auto.conf'), 'utf8');
  t.match(text, /\nrestore_command = 'cp \/archive\/%f %p'\n/);
  t.match(text, /\nprimary_conninfo = 'host=it''s'\nprimary_slot_name = 'slot_1'\n/);
  t.match(statSync(mount.path('standby.signal')), { size: 0, uid: 4321 });
});

t.test('a name with blanks in mountinfo, two unmounts at once', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  const mountpoint = join(mount.base, 'две точки');
  mkdirSync(mountpoint);
  const where = ['-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mountpoint, '-d', mount.diff];
  t.match(await pbkfs(['mount', ...where]), { status: 0 });
  writeFileSync(join(mountpoint, 'base/1/new'), 'kept');
  const both = await Promise.all([pbkfs(['unmount', '-D', mountpoint]), pbkfs(['unmount', '-d', mount.diff])]);
  t.ok(
    both.some(({ status }) => status === 0),
    'one does it',
  );
  for (const { status, stderr } of both.filter((result) => result.status !== 0)) {
    t.equal(status, 1);
    t.match(stderr, /^pbkfs: .*(nothing is mounted|is not mounted)/, 'the other says so');
  }
  t.match(await run('mountpoint', ['-q', mountpoint]), { status: 32 });
  t.match(await pbkfs(['mount', ...where]), { status: 0 });
  t.equal(readFileSync(join(mountpoint, 'base/1/new'), 'utf8'), 'kept');
  t.match(await pbkfs(['unmount', '-D', mountpoint]), { status: 0 });
});
