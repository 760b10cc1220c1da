// PostgreSQL on mounts whose WAL does not lie in the diff: --wal-dir keeps it in another directory, --no-wal not at all.

import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import type { ConnectionParameters } from '../../src/postgres/server.js';
import { mountMissing, pbkfs, TestMount } from '../support/mount.js';
import { postgres15, query, serverTempDir, start } from '../support/postgres.js';
import { swept } from '../support/swept.js';
import { smallStream } from './targets.js';

interface Status {
  readonly settings: { readonly lowLatency: boolean };
}

interface Place {
  readonly mount: TestMount;
  /** A directory that the server's user can enter. */
  readonly base: string;
  readonly first: readonly string[];
  readonly where: readonly string[];
}

async function place(t: Test): Promise<Place> {
  const { catalog, instance, backup } = await smallStream(t);
  const { user } = postgres15();
  const base = swept(mkdtempSync(join(dirname(serverTempDir(t)), 'pbkfs-wal-')));
  chmodSync(base, 0o755);
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const mountpoint = join(base, 'mount');
  mkdirSync(mountpoint, { mode: 0o700 });
  chownSync(mountpoint, user.uid, user.gid);
  const mount = new TestMount(mountpoint, join(base, 'diff'), {});
  t.teardown(() => mount.discard());
  const first = ['-B', catalog, '-I', instance, '-i', backup];
  return { mount, base, first, where: ['-D', mountpoint, '-d', mount.diff] };
}

t.test(
  '--wal-dir: pg_wal lies in a directory of its own, in every life of the diff',
  { skip: mountMissing },
  async (t) => {
    const { mount, base, first, where } = await place(t);
    const { mountpoint, diff } = mount;
    const { user } = postgres15();
    const wal = join(base, 'быстрый диск');
    for (const inside of [join(diff, 'wal'), join(mountpoint, 'wal'), dirname(diff), join(first[1]!, 'wal')]) {
      const refusal = await pbkfs(['mount', ...first, ...where, '--wal-dir', inside]);
      t.match(refusal, { status: 1, stderr: /^pbkfs: .* lies within .*\nhint: / }, inside);
    }
    mkdirSync(join(base, 'full/file'), { recursive: true });
    t.match(await pbkfs(['mount', ...first, ...where, '--wal-dir', join(base, 'full')]), {
      status: 1,
      stderr: /^pbkfs: .*full is not empty\nhint: /,
    });
    t.notOk(existsSync(diff), 'nothing is left of a mount that was refused');

    t.match(await pbkfs(['mount', ...first, ...where, '--wal-dir', wal]), {
      status: 0,
      stderr: /^pbkfs: warning: external directories of the backup are left out: \/tmp\/w\/pg\/ext_m; .*\n$/,
    });
    t.equal(readlinkSync(join(mountpoint, 'pg_wal')), join(wal, 'pg_wal'));
    t.match(lstatSync(join(wal, 'pg_wal')), { uid: user.uid, mode: 0o40700 });
    let server = await start(t, mountpoint);
    await query(server, 'create table kept as select generate_series(1, 10000) id');
    await query(server, 'checkpoint');
    await query(server, 'insert into kept values (10001)');
    // Acknowledged is durable: both processes go, nothing was stopped cleanly.
    await mount.kill9();
    await server.crash();
    await mount.unmountDead();

    t.match(await pbkfs(['mount', ...where]), { status: 0, stderr: '' }, 'the diff remembers the directory');
    server = await start(t, mountpoint);
    t.equal(await query(server, 'select count(*) from kept'), '10001');
    t.match(await pbkfs(['export', mountpoint, '-o', join(base, 'hot')]), { status: 1, stderr: /server runs on/ });
    await server.stop();
    const another = [...first, '-D', join(base, 'other'), '-d', join(base, 'other-diff'), '--wal-dir', wal];
    mkdirSync(join(base, 'other'));
    t.match(await pbkfs(['mount', ...another]), {
      status: 1,
      stderr: new RegExp(`^pbkfs: ${wal} holds the WAL of another diff, ${diff}\nhint: each diff needs`),
    });
    t.match(await pbkfs(['export', mountpoint, '-o', join(base, 'copy')]), { status: 0 });
    t.ok(statSync(join(base, 'copy/pg_wal')).isDirectory(), 'an export has the WAL in it');
    await mount.unmount();

    renameSync(wal, join(base, 'moved'));
    t.match(await pbkfs(['mount', ...where]), { status: 1, stderr: /is missing\nhint: .*--wal-dir/ });
    mkdirSync(wal);
    t.match(await pbkfs(['mount', ...where]), { status: 1, stderr: /does not hold the WAL of the diff/ });
    t.match(await pbkfs(['fsck', '-d', diff, '--json']), { status: 1, stdout: /does not hold the WAL of the diff/ });
    t.match(await pbkfs(['export', diff, '-o', join(base, 'none')]), { status: 1, stderr: /does not hold the WAL/ });
    renameSync(join(base, 'moved/pg_wal'), join(base, 'moved/elsewhere'));
    t.match(await pbkfs(['mount', ...where, '--wal-dir', join(base, 'moved')]), {
      status: 1,
      stderr: /pg_wal, the WAL of the diff .*, is missing\nhint: /,
    });
    renameSync(join(base, 'moved/elsewhere'), join(base, 'moved/pg_wal'));
    t.match(await pbkfs(['mount', ...where, '--wal-dir', join(base, 'moved')]), { status: 0, stderr: '' });
    t.equal(readlinkSync(join(mountpoint, 'pg_wal')), join(base, 'moved/pg_wal'));
    await mount.unmount();
    t.match(await pbkfs(['export', diff, '-o', join(base, 'cold')]), { status: 0 });
    const cold = await start(t, ownedByServer(join(base, 'cold')));
    t.equal(await query(cold, 'select count(*) from kept'), '10001', 'PostgreSQL starts on the export of the diff');
    await cold.stop();
    const wiped = new RegExp(`^wiped the diff .*\nwiped its WAL in ${join(base, 'moved')}\n$`);
    t.match(await pbkfs(['cleanup', '-d', diff, '--force']), { status: 0, stdout: wiped });
    t.notOk(existsSync(join(base, 'moved')), 'cleanup takes the WAL along');
  },
);

t.test(
  '--wal-dir: a kill at any step of moving the WAL is made good by the next mount',
  { skip: mountMissing },
  async (t) => {
    const { mount, base, first, where } = await place(t);
    const wal = join(base, 'wal');
    t.match(await pbkfs(['mount', ...first, ...where, '--wal-dir', wal]), { status: 0 });
    const moved = readdirSync(join(wal, 'pg_wal'));
    await mount.unmount();
    const binding = join(mount.diff, 'binding.json');
    const ready = readFileSync(binding, 'utf8');
    const begun = ready.replace('"ready": true', '"ready": false');
    t.not(begun, ready);

    writeFileSync(binding, begun);
    await mount.remount();
    t.equal(readFileSync(binding, 'utf8').includes('"ready": true'), true, 'the link was there, only not written down');
    await mount.unmount();

    // Before the link: whatever lies in the directory is no more than a copy.
    const { stdout } = await pbkfs(['cleanup', '-d', mount.diff, '--force', '--json']);
    t.strictSame((JSON.parse(stdout) as { wal: object }).wal, { directory: wal, wiped: true });
    t.match(await pbkfs(['mount', ...first, ...where]), { status: 0 });
    await mount.unmount();
    const { id } = JSON.parse(ready).walDirectory as { id: string };
    const document = JSON.parse(readFileSync(binding, 'utf8')) as object;
    writeFileSync(binding, JSON.stringify({ ...document, walDirectory: { path: wal, id, ready: false } }));
    await mount.remount();
    t.strictSame(readdirSync(join(wal, 'pg_wal')), moved, 'not even the directory was there');
    await mount.unmount();
    t.match(await pbkfs(['cleanup', '-d', mount.diff, '--force']), { status: 0 });

    t.match(await pbkfs(['mount', ...first, ...where]), { status: 0 });
    await mount.unmount();
    writeFileSync(binding, JSON.stringify({ ...document, walDirectory: { path: wal, id, ready: false } }));
    mkdirSync(join(wal, 'pg_wal.part'), { recursive: true });
    mkdirSync(join(wal, 'pg_wal'));
    writeFileSync(join(wal, 'pbkfs-wal.json'), JSON.stringify({ format: 'pbkfs wal directory', id, diff: mount.diff }));
    writeFileSync(join(wal, 'pg_wal/half'), 'half');
    await mount.remount();
    t.strictSame(readdirSync(join(wal, 'pg_wal')), moved, 'half a copy was made anew');
    t.notOk(existsSync(join(wal, 'pg_wal.part')));
    t.equal(readlinkSync(join(mount.mountpoint, 'pg_wal')), join(wal, 'pg_wal'));
    t.notOk(
      readdirSync(mount.mountpoint).some((name) => name.includes('pbkfs')),
      'no foreign name in PGDATA',
    );
  },
);

t.test(
  '--no-wal: PostgreSQL runs, checkpoints, crashes and stops; the diff ends with the mount',
  { skip: mountMissing },
  async (t) => {
    const { mount, first, where } = await place(t);
    const { mountpoint, diff } = mount;
    const usage = await pbkfs(['mount', ...first, ...where, '--no-wal', '--wal-dir', '/x']);
    t.match(usage, { status: 2, stderr: /--no-wal and --wal-dir exclude each other/ });
    t.match(await pbkfs(['mount', ...first, ...where, '--no-wal']), { status: 0, stderr: /warning: no WAL is kept/ });
    let server = await start(t, mountpoint);
    await query(server, 'create table gone as select generate_series(1, 20000) id');
    await query(server, 'checkpoint');
    await query(server, 'select pg_switch_wal()');
    await query(server, 'insert into gone values (20001)');
    await server.crash();
    server = await start(t, mountpoint);
    t.equal(await query(server, 'select count(*) from gone'), '20001', 'WAL is there as long as the mount');
    await query(server, 'checkpoint');
    await server.stop();
    const whole = objectBytes(diff);
    t.match(await pbkfs(['sync', mountpoint]), { status: 0 });
    await mount.unmount();
    t.ok(objectBytes(diff) <= whole - 2 ** 20, 'the WAL has gone with the mount');
    for (const command of [
      ['mount', ...where],
      ['mount', ...where, '--force'],
      ['export', diff, '-o', `${diff}-copy`],
    ]) {
      t.match(await pbkfs(command), {
        status: 1,
        stderr: /was mounted with --no-wal: its WAL was not kept\nhint: no server/,
      });
    }
    t.match(await pbkfs(['fsck', '-d', diff]), { status: 0 });
    t.match(await pbkfs(['export', diff, '-o', `${diff}-copy`, '--force']), { status: 0 });
    t.match(await pbkfs(['cleanup', '-d', diff]), { status: 1, stderr: /is not wiped/ });
    t.match(await pbkfs(['cleanup', '-d', diff, '--force']), { status: 0 });

    await t.test('a diff that is worth something is not mounted so', async (t) => {
      t.match(await pbkfs(['mount', ...first, ...where]), { status: 0 });
      await mount.unmount();
      t.match(await pbkfs(['mount', ...where, '--no-wal']), { status: 2, stderr: /has been mounted before.*\nhint: / });
      t.match(await pbkfs(['mount', ...where]), { status: 0 });
    });
  },
);

function objectBytes(diff: string): number {
  const objects = join(diff, 'objects');
  return readdirSync(objects).reduce((sum, name) => sum + statSync(join(objects, name)).blocks * 512, 0);
}

/** What root exported belongs to the owner of the mount; its way there must be open. */
function ownedByServer(directory: string): string {
  const { user } = postgres15();
  if (statSync(directory).uid !== user.uid) throw new Error(`${directory} does not belong to the server's user`);
  return directory;
}

t.test(
  'start --wal-dir: PostgreSQL writes its WAL there, and the diff remembers it',
  { skip: mountMissing },
  async (t) => {
    const { mount, base, first, where } = await place(t);
    const { mountpoint } = mount;
    const wal = join(base, 'wal');
    const stop = () => pbkfs(['stop', '-D', mountpoint]);
    t.teardown(stop);
    mkdirSync(join(base, 'closed'), { mode: 0o700 });
    const refusals: [readonly string[], RegExp][] = [
      [
        [...where, '--wal-dir', join(base, 'closed/wal')],
        /^pbkfs: the user .* cannot reach the WAL directory .*\nhint: /,
      ],
      [['--ephemeral', '--wal-dir', wal], /^pbkfs: --ephemeral syncs no WAL/],
    ];
    for (const [args, stderr] of refusals) t.match(await pbkfs(['start', ...first, ...args]), { status: 2, stderr });

    const started = await pbkfs(['start', ...first, ...where, '--wal-dir', wal, '--low-latency', '--json']);
    t.match(started, { status: 0 });
    const { settings } = JSON.parse(readFileSync(join(mountpoint, '.pbkfs/status.json'), 'utf8')) as Status;
    t.ok(settings.lowLatency, 'other options of mount come along');
    const server = { connection: JSON.parse(started.stdout) as ConnectionParameters };
    t.equal(readlinkSync(join(mountpoint, 'pg_wal')), join(wal, 'pg_wal'));
    const segment = await query(server, 'select pg_walfile_name(pg_current_wal_lsn())');
    t.ok(existsSync(join(wal, 'pg_wal', segment)), segment);
    await query(server, 'create table kept as select 7 as id');
    const again = await pbkfs(['start', '-D', mountpoint, '--wal-dir', join(base, 'other'), '--low-latency']);
    t.match(again, { status: 2, stderr: /is mounted already, and takes no --wal-dir, --low-latency any more\n/ });
    t.match(await stop(), { status: 0 });

    const resumed = await pbkfs(['start', ...first, ...where, '--json']);
    t.match(resumed, { status: 0 });
    const next = { connection: JSON.parse(resumed.stdout) as ConnectionParameters };
    t.equal(await query(next, 'select id from kept'), '7');
  },
);
