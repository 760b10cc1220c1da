// `pbkfs mount --passthrough`: the kernel reads and writes files made on the mount by itself, the server never sees that.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CLIENTS_FILE } from '../../src/fs/kernel-clients.js';
import type { BackendInfo } from '../../src/fs/serve-types.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { run } from '../support/run.js';
import { lseek, Mapping } from '../support/system-calls.js';
import { ended, type SmallMount, unmounted } from './small-mount.js';

const BLOCK = 8192;
const SEEK_END = 2;

async function mounted(t: Test): Promise<SmallMount> {
  const mount = unmounted(t);
  await mount.mount({ catalog: mount.catalog, instance: 'main', backup: 'latest' }, ['--passthrough']);
  return mount;
}

function backend(mount: SmallMount): BackendInfo {
  return (JSON.parse(fs.readFileSync(mount.path('.pbkfs/status.json'), 'utf8')) as { server: BackendInfo }).server;
}

function counters(mount: SmallMount): { read: number; write: number } {
  return JSON.parse(fs.readFileSync(mount.path('.pbkfs/stat'), 'utf8')).counters;
}

/** Why the kernel cannot do it; every test says so. */
async function missing(): Promise<string | false> {
  if (mountMissing !== false) return mountMissing;
  const teardowns: (() => unknown)[] = [];
  const mount = unmounted({ teardown: (undo) => void teardowns.push(undo) });
  try {
    await mount.mount({ catalog: mount.catalog, instance: 'main', backup: 'latest' }, ['--passthrough']);
    return backend(mount).passthroughFault ?? false;
  } finally {
    for (const undo of teardowns.reverse()) await undo();
  }
}

const skip = await missing();

t.test('reads and writes of new files, all with the kernel', { skip }, async (t) => {
  const mount = await mounted(t);
  t.ok(backend(mount).features.includes('PASSTHROUGH'));
  const path = mount.path('base/1/new');
  const before = counters(mount);
  const content = Buffer.alloc(10 * BLOCK + 5, 'passthrough ');
  const fd = fs.openSync(path, 'wx+');
  for (let at = 0; at < content.length; at += BLOCK) {
    fs.writeSync(fd, content, at, Math.min(BLOCK, content.length - at), at);
    t.equal(lseek(fd, 0, SEEK_END), Math.min(content.length, at + BLOCK), 'the length is known at once');
  }
  t.ok(fs.readFileSync(path).equals(content), 'another handle');
  const after = counters(mount);
  t.equal(after.write, before.write, 'no WRITE came to the server');
  t.equal(after.read, before.read + 1, 'and no READ but that of the counters');
  const metrics = fs.readFileSync(mount.path('.pbkfs/metrics'), 'utf8');
  t.match(metrics, /^pbkfs_passthrough_files\{.*\} 1$/m);
  fs.fsyncSync(fd);
  fs.closeSync(fd);

  await t.test('handles that the kernel is not given see the same bytes', async (t) => {
    for (const flag of ['direct', 'dsync', 'sync']) {
      const args = ['if=/dev/zero', `of=${path}`, 'bs=4096', 'count=1', 'seek=1', 'conv=notrunc', `oflag=${flag}`];
      fs.writeFileSync(path, content);
      const open = fs.openSync(path, 'r+');
      await run('dd', [...args, 'status=none']);
      const wanted = Buffer.from(content).fill(0, 4096, 8192);
      const seen = Buffer.alloc(wanted.length);
      fs.readSync(open, seen, 0, seen.length, 0);
      t.ok(seen.equals(wanted), `written with ${flag}, read by the kernel`);
      const { stdout } = await run('sh', ['-c', `dd if=${path} bs=1M iflag=${flag} status=none | md5sum`]);
      t.equal(stdout, (await run('sh', ['-c', `md5sum < ${path}`])).stdout, `read with ${flag}`);
      fs.closeSync(open);
    }
  });

  await t.test('a mapping, also after its handle was closed', async (t) => {
    const open = fs.openSync(path, 'r+');
    const mapping = new Mapping(open, content.length);
    fs.closeSync(open);
    const changed = Buffer.from(content).fill(9, 100, 20_000);
    mapping.write(changed);
    t.ok(fs.readFileSync(path).equals(changed));
    mapping.close();
  });

  await t.test('truncated, renamed and removed while it is open', async (t) => {
    const open = fs.openSync(path, 'r+');
    fs.truncateSync(path, 3);
    t.equal(fs.fstatSync(open).size, 3);
    fs.writeSync(open, 'appended', 10);
    t.equal(fs.statSync(path).size, 18);
    fs.renameSync(path, `${path}.2`);
    fs.writeSync(open, 'x', 0);
    t.equal(fs.readFileSync(`${path}.2`, 'latin1').slice(0, 3), `x${content.toString('latin1', 1, 3)}`);
    fs.unlinkSync(`${path}.2`);
    fs.writeSync(open, 'y', 0);
    t.equal(fs.fstatSync(open).size, 18, 'without a name');
    fs.closeSync(open);
  });

  await t.test('set-id bits go with a write by somebody else', async (t) => {
    const set = mount.path('set');
    fs.writeFileSync(set, 'x');
    fs.chmodSync(set, 0o6777);
    fs.chmodSync(mount.mountpoint, 0o755);
    const { status, stderr } = await run('sh', ['-c', `echo y >> ${set}`], {
      user: { name: 'nobody', uid: 65534, gid: 65534 },
    });
    t.equal(status, 0, stderr);
    t.equal(fs.statSync(set).mode & 0o7777, 0o777);
  });

  const last = Buffer.alloc(5 * BLOCK, 'last');
  fs.writeFileSync(path, last);
  fs.utimesSync(path, 1000, 2000);
  t.ok(fs.existsSync(join(mount.diff, CLIENTS_FILE)));
  await mount.unmount();
  t.notOk(fs.existsSync(join(mount.diff, CLIENTS_FILE)));
  for (const options of [[], ['--passthrough']]) {
    await mount.remount(...options);
    t.ok(fs.readFileSync(path).equals(last), ['mounted again', ...options].join(' '));
    t.equal(fs.statSync(path).mtimeMs, 2_000_000);
    await mount.unmount();
  }
});

t.test('a client that outlives a killed mount keeps the diff from being mounted', { skip }, async (t) => {
  const mount = await mounted(t);
  const { mountpoint, diff } = mount;
  // Its own directory is not on the mount: only the file is.
  const script =
    'const fs = require("fs"); const fd = fs.openSync(process.argv[1], "w+"); console.log("open"); process.stdin.on("data", () => { fs.writeSync(fd, "late"); console.log("written"); }); process.stdin.on("end", () => process.exit())';
  const client = spawn(process.execPath, ['-e', script, mount.path('base/1/new')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => client.kill('SIGKILL'));
  await once(client.stdout, 'data');
  await mount.kill9();
  await run('umount', ['-l', mountpoint]);
  client.stdin.write('now');
  await once(client.stdout, 'data');
  t.pass('it can still write');
  const again = (...more: string[]) => pbkfs(['mount', '-D', mountpoint, '-d', diff, ...more]);
  const refused = { status: 1, stderr: /still have files of it open.*\nhint: .*--force/ };
  t.match(await again(), refused);
  t.match(await again('--passthrough'), refused);
  t.match(await pbkfs(['export', diff, '-o', join(mount.base, 'copy')]), refused);
  const object = join(diff, 'objects', fs.readdirSync(join(diff, 'objects')).find((name) => !name.endsWith('.map'))!);
  for (const force of [[], ['--force']]) {
    const cleaned = await pbkfs(['cleanup', '-d', diff, ...force]);
    t.match(
      cleaned,
      { status: 1, stderr: /still have files of it open.*\nhint: end them/ },
      ['cleanup', ...force].join(' '),
    );
    t.notMatch(cleaned.stderr, '--force', 'no way round');
    t.equal(fs.readFileSync(object, 'latin1'), 'late', 'nothing was removed');
  }
  const nowhere = { TMPDIR: '/nonexistent' };
  t.match(await pbkfs(['mount', '-D', mountpoint, '-d', diff], nowhere), refused, 'without a place to look from');
  const copy = join(mount.base, 'copy');
  t.match(await pbkfs(['export', diff, '-o', copy, '--force']), { status: 0 });
  t.equal(fs.readFileSync(join(copy, 'base/1/new'), 'latin1'), 'late');
  client.stdin.write('now');
  await once(client.stdout, 'data');
  client.stdin.end();
  await once(client, 'exit');
  t.match(await again(), { status: 0 }, 'mounted once it has ended');
  t.equal(fs.readFileSync(mount.path('base/1/new'), 'latin1'), 'latelate', 'and what it wrote is there');
  t.ok(!fs.existsSync(join(diff, CLIENTS_FILE)) || !backend(mount).features.includes('PASSTHROUGH'));
  await mount.unmount();
});

t.test('unmounted by force under somebody who writes', { skip }, async (t) => {
  const mount = await mounted(t);
  const fd = fs.openSync(mount.path('base/1/new'), 'w');
  fs.writeSync(fd, 'before');
  // EBUSY, but the connection has ended.
  await run('umount', ['-f', mount.mountpoint]);
  await run('umount', ['-l', mount.mountpoint]);
  await ended(mount.process());
  fs.writeSync(fd, ' and after');
  t.match(mount.log(), /programs still have files of the diff open/);
  t.match(await pbkfs(['mount', '-D', mount.mountpoint, '-d', mount.diff]), { status: 1, stderr: /still have files/ });
  fs.closeSync(fd);
  await mount.remount();
  t.equal(fs.readFileSync(mount.path('base/1/new'), 'latin1'), 'before and after');
  await mount.unmount();
});

t.test('a synced write is durable when it returns', { skip }, async (t) => {
  const mount = await mounted(t);
  for (const flag of [fs.constants.O_DSYNC, fs.constants.O_SYNC]) {
    const path = mount.path(`base/1/new${flag}`);
    const known = new Set(fs.readdirSync(join(mount.diff, 'objects')));
    const fd = fs.openSync(path, fs.constants.O_CREAT | fs.constants.O_RDWR | flag);
    const object = fs.readdirSync(join(mount.diff, 'objects')).find((name) => !known.has(name));
    mount.fault('slow-sync', join(mount.diff, 'objects', object!));
    const begun = performance.now();
    fs.writeSync(fd, 'x');
    t.ok(performance.now() - begun > 1500, 'the object was synced, which takes 2 s here');
    mount.heal('slow-sync');
    fs.closeSync(fd);
  }
  await mount.unmount();
});

t.test('--force mounts all the same', { skip }, async (t) => {
  const mount = await mounted(t);
  const fd = fs.openSync(mount.path('base/1/new'), 'w');
  await mount.kill9();
  await run('umount', ['-l', mount.mountpoint]);
  for (const options of [['--force'], ['--force', '--passthrough']]) {
    await mount.remount(...options);
    fs.writeSync(fd, options.join(' '));
    await mount.unmount();
  }
  t.match(await pbkfs(['mount', '-D', mount.mountpoint, '-d', mount.diff]), { status: 1, stderr: /still have files/ });
  t.throws(() => fs.closeSync(fd), { code: 'ENOTCONN' });
  await mount.remount();
  t.equal(fs.readFileSync(mount.path('base/1/new'), 'latin1'), '--force--force --passthrough', 'nothing is cut off');
  await mount.unmount();
});

t.test('what cannot go with it is refused', async (t) => {
  const where = ['mount', '-B', '/none', '-I', 'main', '-i', 'latest', '-D', t.testdir(), '--passthrough'];
  for (const [options, said] of [
    [['-d', '/none', '--diff-limit', '1GB'], /--passthrough and --diff-limit exclude each other\nhint: /],
    [['-d', '/none', '--backend', 'fuse-native'], /--passthrough and --backend fuse-native exclude each other\nhint: /],
    [['--read-only'], /--read-only mounts the backup without a diff; --passthrough cannot be given with it/],
  ] as const) {
    t.match(await pbkfs([...where, ...options]), { status: 2, stderr: said });
  }
});
