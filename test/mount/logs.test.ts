// The log of a mount: levels and formats, traced requests, whole lines from all threads, rotation, no flood.

import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OUR_MINOR } from '../../src/fs/handshake.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { nativeMissing } from '../support/native.js';
import { until } from '../support/until.js';
import { type SmallMount, unmounted } from './small-mount.js';

const WAIT = 60_000;

async function mounted(t: Test, ...more: string[]): Promise<{ mount: SmallMount; log: string }> {
  const mount = unmounted(t);
  const log = join(mount.base, 'log');
  const where = ['-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mount.mountpoint, '-d', mount.diff];
  t.match(await pbkfs(['mount', ...where, '--log-file', log, ...more]), { status: 0, stderr: '' });
  return { mount, log };
}

type Line = Readonly<Record<string, string | number>>;
const lines = (path: string): Line[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);

t.test('at debug level every request is a whole line of JSON with its id', { skip: mountMissing }, async (t) => {
  const { mount, log } = await mounted(t, '--log-level', 'debug', '--log-format', 'json');
  await Promise.all(
    Array.from({ length: 8 }, async (_, n) => {
      const file = await open(mount.path(`base/1/new${n}`), 'w+');
      for (let block = 0; block < 20; block++) await file.write(Buffer.alloc(8192, n), 0, 8192, block * 8192);
      await file.sync();
      await file.close();
      await readFile(mount.path('base/1/100'));
    }),
  );
  await mount.unmount();
  const all = lines(log);
  const requests = all.filter((line) => line.message === 'request');
  t.ok(requests.length > 8 * 21, `${requests.length} requests`);
  t.ok(new Set(requests.map((line) => line.thread)).size > 1, 'of several threads');
  const writes = requests.filter((line) => line.op === 'WRITE');
  t.equal(writes.length, 160);
  t.match(writes[0], {
    level: 'debug',
    id: Number,
    node: Number,
    offset: Number,
    length: 8192,
    us: Number,
    pid: Number,
  });
  t.equal(new Set(writes.map((line) => line.id)).size, 160);
  t.ok(requests.some((line) => line.op === 'CREATE' && line.thread === 0));
  t.ok(requests.some((line) => line.op === 'LOOKUP'));
  const times = all.map((line) => String(line.time));
  const late = times.filter((time, at) => at > 0 && Date.parse(time) < Date.parse(times[at - 1]!) - 2000);
  t.strictSame(late, [], 'in order');
});

t.test('at info level requests leave no line; text is for people', { skip: mountMissing }, async (t) => {
  const { mount, log } = await mounted(t);
  writeFileSync(mount.path('base/1/new'), 'x');
  await mount.unmount();
  const text = readFileSync(log, 'utf8');
  const protocol = /^\S+Z INFO mounted .*protocol=7\.(\d+)/m.exec(text)?.[1];
  t.ok(Number(protocol) <= OUR_MINOR, `7.${protocol}: what was agreed on, not what the kernel offered`);
  t.notMatch(text, /DEBUG/);
});

t.test('level warn keeps a quiet mount silent', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  const where = ['-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mount.mountpoint, '-d', mount.diff];
  const log = join(mount.base, 'log');
  t.match(await pbkfs(['mount', ...where, '--log-file', log], { PBKFS_LOG_LEVEL: 'error' }), { status: 0 });
  await mount.unmount();
  t.equal(readFileSync(log, 'utf8'), '');
});

t.test('the log can be rotated: by SIGHUP, and by just moving it', { skip: mountMissing }, async (t) => {
  const { mount, log } = await mounted(t, '--log-level', 'debug');
  const { pid } = mount.process();
  renameSync(log, `${log}.1`);
  process.kill(pid, 'SIGHUP');
  await until(() => existsSync(log), WAIT);
  renameSync(log, `${log}.2`);
  await until(() => existsSync(log), WAIT);
  const old = statSync(`${log}.2`).size;
  writeFileSync(mount.path('base/1/new'), 'x');
  await until(() => /op=CREATE/.test(readFileSync(log, 'utf8')), WAIT);
  t.equal(statSync(`${log}.2`).size, old, 'nothing goes to the old file any more');
  await mount.unmount();
  t.match(readFileSync(log, 'utf8'), /INFO unmounted status=0\n$/);
});

for (const [backend, skip, line] of [
  ['kernel', mountMissing, /^.* ERROR READ of inode row \d+: .*$/gm],
  ['fuse-native', nativeMissing, /^.* ERROR read of \/base\/1\/raw: .*$/gm],
] as const) {
  t.test(`hundreds of damaged reads are some lines that say what to do (${backend})`, { skip }, async (t) => {
    const mount = unmounted(t);
    const main = join(mount.catalog, 'backups/main');
    for (const id of readdirSync(main)) {
      const path = join(main, id, 'database/base/1/raw');
      if (existsSync(path)) writeFileSync(path, Buffer.alloc(statSync(path).size, 1));
    }
    await mount.mount({ catalog: mount.catalog, instance: 'main', backup: 'latest' }, ['--backend', backend]);
    for (let n = 0; n < 300; n++) t.throws(() => readFileSync(mount.path('base/1/raw')), { code: 'EIO' });
    const damaged = mount.log().match(line) ?? [];
    t.ok(damaged.length > 0 && damaged.length < 250, `${damaged.length} lines`);
    for (const said of damaged) {
      t.match(said, /hint="the backup is damaged: run .*pg_probackup validate.*, or choose another backup"/);
    }
    await mount.unmount();
  });
}

t.test('wrong values and combinations are usage errors', async (t) => {
  for (const [args, message] of [
    [['--log-level', 'loud'], /'loud' is invalid\. It must be one of debug, info, warn, error/],
    [['--log-format', 'xml'], /'xml' is invalid\. It must be one of text, json/],
    [['--log-sink', 'nowhere'], /'nowhere' is invalid\. It must be one of file, journald/],
    [['--log-sink', 'journald', '--log-file', '/x.log'], /--log-sink journald and --log-file exclude each other/],
  ] as const) {
    t.match(await pbkfs(['mount', '-D', '/x', '-d', '/y', ...args]), { status: 2, stderr: message });
  }
});
