// Many callers at once, and many files in a row: no mixed-up content, no stale block, no row and no object left behind.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { BLOCK, type StormData, type StormResult } from '../support/block-storm-data.js';
import { diffOwner } from '../support/diff-files.js';
import { mountCatalog, mountMissing } from '../support/mount.js';
import { privateCatalog } from '../support/private-catalog.js';
import { runOk } from '../support/run.js';

/** PBKFS_STORM=long makes a million temporary files. */
const TEMPORARY_FILES = process.env.PBKFS_STORM === 'long' ? 1_000_000 : 40_000;
/** What the mount process may take more after them, in bytes; an inode a file kept for ever would be more in the long storm. */
const HEAP_SLACK = 200 << 20;
/** Twice what src/overlay/journal-compactor.ts lets it grow to. */
const JOURNAL_LIMIT = 16 << 20;
const support = (name: string): URL => new URL(`../support/${name}.js`, import.meta.url);

t.setTimeout(process.env.PBKFS_STORM === 'long' ? 7_200_000 : 600_000);

t.test('storms', { skip: mountMissing }, async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const mount = await mountCatalog(t, { catalog, instance: 'a', backup: 'latest' });
  const { mountpoint } = mount;
  const status = (): { inodes: number; indexBytes: number; counters: Record<string, number> } =>
    JSON.parse(fs.readFileSync(join(mountpoint, '.pbkfs/stat'), 'utf8'));

  /** Unmounts and mounts again: how many replies the kernel did not want is known by then. */
  const again = async (t: Test): Promise<void> => {
    t.equal(status().counters.replyGone, 0, 'no reply went astray');
    await mount.unmount();
    await mount.remount();
  };

  t.test('250 files created, written and closed at once, ten times, keep their own content (trap 26)', async (t) => {
    const program = fileURLToPath(support('file-storm'));
    for (let round = 0; round < 10; round++) {
      const directory = join(mountpoint, `storm${round}`);
      const env = { UV_THREADPOOL_SIZE: '50' };
      const processes = ['a', 'b', 'c', 'd', 'e'].map((name) =>
        runOk(process.execPath, [program, directory, name, '50'], { env, timeout: 120_000 }),
      );
      await Promise.all(processes);
      t.equal(fs.readdirSync(directory).length, 250);
    }
    await again(t);
    for (let round = 0; round < 10; round++) {
      const directory = join(mountpoint, `storm${round}`);
      for (const file of fs.readdirSync(directory)) {
        const text = fs.readFileSync(join(directory, file), 'latin1');
        const expected = `${file}\n`.repeat(1 + (Number(file.split('-')[1]) % 900));
        if (text !== expected) t.fail(`${file} holds something else after a remount`);
      }
      fs.rmSync(directory, { recursive: true });
    }
  });

  t.test(
    'an unlinked open file stays whole for its holder, and a new file of that name is another (trap 21)',
    async (t) => {
      const names = ['PG_VERSION', 'global/pg_filenode.map', 'base/1/1259', 'of-the-mount'];
      fs.writeFileSync(join(mountpoint, 'of-the-mount'), 'made here');
      for (const name of names) {
        const path = join(mountpoint, name);
        const content = fs.readFileSync(path);
        const fd = fs.openSync(path, 'r+');
        const { ino } = fs.fstatSync(fd);
        fs.unlinkSync(path);
        fs.writeFileSync(path, 'the new one');
        fs.writeFileSync('/proc/sys/vm/drop_caches', '2');
        t.equal(fs.fstatSync(fd).nlink, 0, name);
        t.not(fs.statSync(path).ino, ino);
        t.ok(content.equals(readAll(fd)), 'readable');
        fs.writeSync(fd, 'changed', 2);
        fs.writeSync(fd, 'appended', content.length + 10_000);
        fs.fsyncSync(fd);
        const expected = Buffer.concat([content, Buffer.alloc(10_000), Buffer.from('appended')]);
        expected.write('changed', 2);
        t.ok(expected.equals(readAll(fd)), 'writable');
        fs.ftruncateSync(fd, 5);
        t.equal(fs.fstatSync(fd).size, 5);
        fs.closeSync(fd);
        t.equal(fs.readFileSync(path, 'latin1'), 'the new one');
      }
      await again(t);
      for (const name of names) t.equal(fs.readFileSync(join(mountpoint, name), 'latin1'), 'the new one', name);
    },
  );

  t.test(`${TEMPORARY_FILES} temporary files leave inode rows, memory and objects flat (trap 28)`, async (t) => {
    const directory = join(mountpoint, 'base/pgsql_tmp');
    fs.mkdirSync(directory);
    const { pid } = diffOwner(mount.diff);
    const measure = () => ({
      ...status(),
      objects: fs.readdirSync(join(mount.diff, 'objects')).length,
      resident: residentBytes(pid),
      journal: fs.statSync(join(mount.diff, 'journal')).size,
    });
    const program = fileURLToPath(support('temporary-files'));
    const some = async (count: number): Promise<void> => {
      const processes = ['a', 'b', 'c', 'd'].map((name) =>
        runOk(process.execPath, [program, directory, name, String(count / 4)], { timeout: 3_600_000 }),
      );
      await Promise.all(processes);
    };
    await some(TEMPORARY_FILES / 10);
    const before = measure();
    // Somebody who syncs all the while: the journal is rewritten under that.
    const loop = 'while echo line && sync "$1"; do :; done >>"$1"';
    const syncs = spawn('sh', ['-c', loop, 'sh', join(directory, 'synced')]);
    const began = performance.now();
    await some(TEMPORARY_FILES);
    const seconds = (performance.now() - began) / 1000;
    let after = measure();
    for (const until = Date.now() + 60_000; after.objects > before.objects + 100 && Date.now() < until; ) {
      await sleep(100);
      after = measure();
    }
    t.equal(syncs.exitCode, null, 'no sync failed');
    syncs.kill();
    await once(syncs, 'exit');
    t.ok(after.inodes <= before.inodes + 100, `inode rows ${before.inodes} before, ${after.inodes} after`);
    t.ok(
      after.indexBytes <= before.indexBytes + 100_000,
      `memory ${before.indexBytes} before, ${after.indexBytes} after`,
    );
    t.ok(after.journal < JOURNAL_LIMIT, `journal ${MiB(after.journal)}`);
    t.ok(after.objects <= before.objects + 100, `objects ${before.objects} before, ${after.objects} after`);
    t.ok(
      after.resident <= before.resident + HEAP_SLACK,
      `resident ${MiB(before.resident)} before, ${MiB(after.resident)} after`,
    );
    t.equal(after.counters.replyGone, 0, 'no reply went astray');
    await mount.kill9();
    await mount.unmountDead();
    const killed = performance.now();
    await mount.remount();
    const recovered = (performance.now() - killed) / 1000;
    await mount.unmount();
    const compacted = fs.statSync(join(mount.diff, 'journal')).size;
    await mount.remount();
    t.comment(
      `measured: ${TEMPORARY_FILES} files in ${seconds.toFixed(0)} s; before and after: inode rows ${before.inodes}, ` +
        `${after.inodes}, objects ${before.objects}, ${after.objects}, resident memory ${MiB(before.resident)}, ` +
        `${MiB(after.resident)}, journal ${MiB(before.journal)}, ${MiB(after.journal)} (${MiB(compacted)} after an unmount); ` +
        `after a kill the next mount took ${recovered.toFixed(1)} s`,
    );
  });

  t.test('readers and writers of one file never see a torn or a stale block (traps 15, 17)', async (t) => {
    const path = join(mountpoint, 'base/1/1255');
    const blocks = Math.floor(fs.statSync(path).size / BLOCK);
    t.ok(blocks > 50);
    const words = new SharedArrayBuffer(blocks * 8);
    const shared = { path, blocks, words, milliseconds: 6000 };
    const workers: StormData[] = [
      { ...shared, role: 'writer', first: 0, step: 2 },
      { ...shared, role: 'writer', first: 1, step: 2 },
      { ...shared, role: 'reader', first: 0, step: 1 },
      { ...shared, role: 'reader', first: 0, step: 3 },
      { ...shared, role: 'syncer', first: 0, step: blocks },
    ];
    const dropping = setInterval(() => fs.writeFileSync('/proc/sys/vm/drop_caches', '1'), 500);
    const results = await Promise.all(workers.map(storm)).finally(() => clearInterval(dropping));
    t.same(
      results.flatMap((result) => result.faults),
      [],
    );
    t.comment(`operations: ${results.map((result) => result.operations).join()}`);
    const content = fs.readFileSync(path);
    await again(t);
    t.ok(content.equals(fs.readFileSync(path)), 'the same after a remount');
    const ended = new Int32Array(words, blocks * 4, blocks);
    for (let i = 0; i < blocks; i++) {
      if (content.readUInt32LE(i * BLOCK + 4) !== ended[i]) t.fail(`block ${i} lost its last write`);
    }
  });
});

/** VmRSS of a process. */
function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))!;
  return Number(kilobytes) * 1024;
}

function MiB(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function storm(data: StormData): Promise<StormResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(support('block-storm'), { workerData: data });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

function readAll(fd: number): Buffer {
  const content = Buffer.alloc(fs.fstatSync(fd).size);
  let at = 0;
  while (at < content.length) {
    const count = fs.readSync(fd, content, at, content.length - at, at);
    if (count === 0) break;
    at += count;
  }
  return content.subarray(0, at);
}
