// Machines with less memory than address space: a kernel that does not overcommit counts whatever a process could write.
// Beside it the other limits that a process may have inherited.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CLI, mountCatalog, mountMissing } from '../support/mount.js';
import { privateCatalog } from '../support/private-catalog.js';
import { run } from '../support/run.js';

/** In KiB. From 24 on Node itself has half a GiB counted when it starts, and more for each of its threads. */
const limits =
  Number(process.versions.node.split('.')[0]) >= 24
    ? { enough: 2 << 20, tooLittleForThreads: 1_350_000, tooLittleForFiles: 850_000 }
    : { enough: 1 << 20, tooLittleForThreads: 650_000, tooLittleForFiles: 300_000 };

t.test('limits of what the mount process may be able to write', { skip: mountMissing }, async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const mount = await mountCatalog(t, { catalog, instance: 'a', backup: 'latest' });
  await mount.unmount();
  const limited = (limit: string) => {
    const where = ['-D', mount.mountpoint, '-d', mount.diff];
    return run('sh', ['-c', `ulimit ${limit} && exec "$@"`, 'sh', process.execPath, CLI, 'mount', ...where]);
  };
  const remount = (kib: number) => limited(`-d ${kib}`);

  await t.test(`${limits.enough >> 20} GiB is enough, also for many readers`, async (t) => {
    t.match(await remount(limits.enough), { status: 0, stderr: '' });
    const readAll = 'find . -type f -print0 | xargs -0 -P 8 -n 20 cat | wc -c';
    t.match(await run('sh', ['-c', `cd "$0" && ${readAll}`, mount.mountpoint]), { status: 0, stderr: '' });
    const path = join(mount.mountpoint, 'base/1/1259');
    const before = readFileSync(path);
    t.ok(before.length > 0);
    writeFileSync(path, before.subarray(0, 8192), { flag: 'r+' });
    t.ok(readFileSync(path).equals(before));
    await mount.unmount();
  });

  await t.test('too little is one clear error, and nothing is mounted', async (t) => {
    const files = await remount(limits.tooLittleForFiles);
    t.equal(files.status, 1);
    t.match(files.stderr, /^pbkfs: no memory for the table of files: 352 MiB .*\nhint: .*vm\.overcommit_memory.*\n$/);
    const threads = await remount(limits.tooLittleForThreads);
    t.equal(threads.status, 1);
    t.match(threads.stderr, /^pbkfs: no memory for 4 threads: \d+ MiB .*\nhint: .*vm\.overcommit_memory.*\n$/);
    await mount.remount();
  });
});

t.test('limits of open files', { skip: mountMissing }, async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const mount = await mountCatalog(t, { catalog, instance: 'a', backup: 'latest' });
  await mount.unmount();
  const remount = (files: number, ...more: string[]) => {
    const command = [process.execPath, CLI, 'mount', '-D', mount.mountpoint, '-d', mount.diff, ...more];
    // What tap preloads has descriptors of its own in every thread.
    return run('sh', ['-c', `unset NODE_OPTIONS && ulimit -n ${files} && exec "$@"`, 'sh', ...command]);
  };

  await t.test('too few are refused before anything is mounted', async (t) => {
    for (const files of [100, 255]) {
      const { status, stderr } = await remount(files);
      t.equal(status, 1);
      t.match(stderr, new RegExp(`^pbkfs: the limit of ${files} open files is too low .* 256\nhint: .*ulimit -Hn`));
    }
  });

  await t.test('what is asked for is enough for many files at a time', async (t) => {
    t.match(await remount(256, '--threads', '16'), { status: 0, stderr: '' });
    const script = 'for k in 1 2 3 4 5 6 7 8; do find . -type f -print0 | sort -zR | xargs -0 cat | cksum & done; wait';
    const { status, stdout, stderr } = await run('sh', ['-c', `cd "$1" && ${script}`, 'sh', mount.mountpoint]);
    t.match({ status, stderr }, { status: 0, stderr: '' });
    t.equal(stdout.trim().split('\n').length, 8);
    await mount.unmount();
  });
});

t.test('limits that strike later are told at the mount', { skip: mountMissing }, async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const mount = await mountCatalog(t, { catalog, instance: 'a', backup: 'latest' });
  await mount.unmount();
  const under = (limits: string, ...where: string[]) =>
    run('sh', ['-c', `${limits} && exec "$@"`, 'sh', process.execPath, CLI, 'mount', '-D', mount.mountpoint, ...where]);
  const both = 'ulimit -t 1000 && ulimit -f 64';
  // The blocks of sh are of 512 bytes.
  const { status, stderr } = await under(both, '-d', mount.diff);
  t.match(
    { status, stderr },
    { status: 0, stderr: /^pbkfs: warning: .* 1000 s of .*-t"\npbkfs: warning: .* 32768 bytes .*-f"\n$/ },
  );
  t.throws(() => writeFileSync(join(mount.mountpoint, 'long'), Buffer.alloc(40_000)), { code: 'EFBIG' });
  await mount.unmount();
  const backup = ['--read-only', '-B', catalog, '-I', 'a', '-i', 'latest'];
  t.notMatch(await under(both, ...backup), { stderr: /ulimit -f/ }, 'a read-only mount writes nothing');
  await mount.unmount();
});
