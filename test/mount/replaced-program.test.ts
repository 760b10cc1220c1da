// A mount whose program on disk is replaced or taken away (an upgrade), and one that can have no further thread: what was
// loaded goes on serving, and ends cleanly.

import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { mountMissing } from '../support/mount.js';
import type { Teardown } from '../support/postgres.js';
import { run, runOk } from '../support/run.js';
import { smallFiles } from '../support/small-catalog.js';
import { until } from '../support/until.js';
import { ended, type SmallMount, smallMount, unmounted } from './small-mount.js';

t.setTimeout(300_000);

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const NAMES = [...smallFiles.keys()].filter((name) => name !== 'base/1/small');
const NO_MORE = /WARN no further data thread can be started/;

/** A mount by an installation of its own, in a directory that can be taken away. */
async function installed(t: Teardown): Promise<{ mount: SmallMount; program: string }> {
  const mount = unmounted(t);
  const program = join(mount.base, 'installed');
  mkdirSync(program);
  for (const part of ['dist/bundle', 'package.json']) {
    cpSync(join(ROOT, part), join(program, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(program, 'node_modules'));
  const source = ['-B', mount.catalog, '-I', 'main', '-i', 'latest'];
  const from = [...source, '-D', mount.mountpoint, '-d', mount.diff, '--threads', '1'];
  await runOk(process.execPath, [join(program, 'dist/bundle/cli/pbkfs.js'), 'mount', ...from], { env: mount.env });
  // The command returns before the thread reads, which this waits for.
  statSync(mount.path('base/1/absent'), { throwIfNoEntry: false });
  return { mount, program };
}

/** Reads files, each by its own reader, from a disk so slow that the mount wants further threads. @returns what differs */
async function readSlowly(mount: SmallMount): Promise<string[]> {
  mount.fault('slow-read', `${mount.catalog}\n50`);
  const reads = NAMES.map(async (name) => {
    const out = join(mount.base, name.replaceAll('/', '_'));
    const { status, stderr } = await run('dd', [`if=${mount.path(name)}`, `of=${out}`, 'bs=8k', 'iflag=direct']);
    return status === 0 && readFileSync(out).equals(smallFiles.get(name)!) ? [] : [`${name}: ${stderr}`];
  });
  const wrong = (await Promise.all(reads)).flat();
  mount.heal('slow-read');
  return wrong;
}

/** Changes a file of the backup and a new one, each synced, and asks the mount to end. */
async function workAndEnd(t: Test, mount: SmallMount): Promise<void> {
  for (const [name, flags] of [
    ['base/1/101', 'r+'],
    ['base/1/new', 'w+'],
  ] as const) {
    const file = await open(mount.path(name), flags);
    await file.write(Buffer.alloc(8192, 7), 0, 8192, 8192);
    await file.sync();
    await file.close();
  }
  const owner = mount.process();
  process.kill(owner.pid, 'SIGTERM');
  await ended(owner);
  t.equal(mount.state().state, 'clean', mount.log());
  mount.heal('no-threads');
  await mount.remount();
  const changed = Buffer.from(smallFiles.get('base/1/101')!).fill(7, 8192, 16384);
  t.strictSame(readFileSync(mount.path('base/1/101')), changed);
  t.strictSame(readFileSync(mount.path('base/1/new')).subarray(8192), Buffer.alloc(8192, 7));
  await mount.unmount();
}

t.test('a mount outlives its program', { skip: mountMissing }, async (t) => {
  const { mount, program } = await installed(t);
  renameSync(program, `${program}.old`);
  t.strictSame(await readSlowly(mount), []);
  await until(() => NO_MORE.test(mount.log()));
  // A thread that has never logged anything.
  const stored = `${mount.catalog}/backups/main/TOP304/database/base/1/small`;
  const content = readFileSync(stored);
  truncateSync(stored, 50);
  await t.rejects(readFile(mount.path('base/1/small')), { code: 'EIO' });
  t.match(mount.log(), /^\S+Z ERROR READ of inode row \d+: .*base\/1\/small/m);
  writeFileSync(stored, content);
  await workAndEnd(t, mount);
});

t.test('threads of another version do not join a mount', { skip: mountMissing }, async (t) => {
  const { mount, program } = await installed(t);
  const thread = join(program, 'dist/bundle/fs/data-thread.js');
  const joined = join(mount.base, 'joined');
  // Renamed into its place, as package managers do.
  writeFileSync(`${thread}.new`, `require('node:fs').writeFileSync(${JSON.stringify(joined)}, '')`);
  renameSync(`${thread}.new`, thread);
  t.strictSame(await readSlowly(mount), []);
  await until(() => NO_MORE.test(mount.log()));
  t.notOk(existsSync(joined));
  writeFileSync(join(program, 'dist/bundle/mount/unmount-elsewhere.js'), '// does not know what it is asked');
  await workAndEnd(t, mount);
});

t.test('a mount that can start no further thread goes on with those it has', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  mount.fault('no-threads', '');
  t.strictSame(await readSlowly(mount), []);
  await until(() => NO_MORE.test(mount.log()));
  await workAndEnd(t, mount);
});

t.test('the threads that a mount counts are those it could start', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  // That of names, and the first one that reads.
  mount.fault('no-threads', '2');
  await mount.first();
  await until(() => NO_MORE.test(mount.log()));
  const status = JSON.parse(readFileSync(mount.path('.pbkfs/status.json'), 'utf8')) as { threads: { data: number } };
  t.equal(status.threads.data, 1);
  await workAndEnd(t, mount);
});
