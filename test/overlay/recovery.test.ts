// What a mount makes of a diff whose last mount did not end cleanly.

import fs, { readFileSync, readlinkSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import t, { type Test } from 'tap';
import type { DataEngine } from '../../src/overlay/data/data-engine.js';
import type { Inode } from '../../src/overlay/namespace/inode.js';
import { smallFiles } from '../support/small-catalog.js';
import { smallDiffs } from '../support/small-diffs.js';
import { watchSyncs } from '../support/watched-syncs.js';

const { newDiff, mount, objects } = smallDiffs();
const block = Buffer.alloc(8192, 7);

t.test('an object that was never synced may be gone after a power loss: the backup is served', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.write('base/1/100', 0, block);
  direct.kill();
  // The record reached the disk by the kernel's own write-back, the directory of objects did not.
  for (const name of objects(diff)) rmSync(`${diff}/objects/${name}`);
  t.throws(() => mount(diff), { code: 'diff_damaged' }, 'without a power loss it is damage');
  const after = mount(diff, true);
  t.ok(after.readAll('base/1/100').equals(smallFiles.get('base/1/100')!));
  t.ok(
    after.warnings.some((line) => line.includes('base/1/100')),
    'and the log says what was lost',
  );
  after.write('base/1/100', 0, block);
  after.close();
});

t.test('a block map that says nothing is damage where the host has not lost its cache', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.write('base/1/100', 0, block);
  direct.fsync('base/1/100');
  direct.kill();
  for (const name of objects(diff)) if (name.endsWith('.map')) truncateSync(`${diff}/objects/${name}`, 0);
  t.throws(() => mount(diff), { code: 'diff_damaged' });
  const after = mount(diff, true);
  t.ok(after.readAll('base/1/100').equals(smallFiles.get('base/1/100')!));
  after.close();
});

t.test('a new file whose object did not reach the disk is an empty file after a power loss', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.create('base/new').write(0, block);
  direct.kill();
  t.equal(objects(diff).length, 1);
  for (const name of objects(diff)) rmSync(`${diff}/objects/${name}`);
  const after = mount(diff, true);
  t.equal(after.stat('base/new').size, 0);
  after.write('base/new', 0, block);
  t.ok(after.readAll('base/new').equals(block));
  after.close();
});

t.test('what was synced is there after a power loss, what was not may be the old content', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.write('base/1/100', 0, block);
  direct.fsync('base/1/100');
  direct.truncate('base/1/101', 0);
  direct.kill();
  const after = mount(diff, true);
  t.ok(after.read('base/1/100', 0, 8192).equals(block));
  t.ok(after.readAll('base/1/101').equals(smallFiles.get('base/1/101')!));
  after.close();
});

t.test('after a kill files have the time of their last write, whatever came after it', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  const times = { atime: [1000, 0], mtime: [2000, 5] } as const;
  direct.create('base/new').close();
  direct.utimens('base/1/100', times);
  direct.utimens('base/new', times);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const before = Date.now() - 10;
  for (const path of ['base/1/100', 'base/1/101', 'base/new']) direct.write(path, 0, block);
  await new Promise((resolve) => setTimeout(resolve, 20));
  direct.chmod('base/new', 0o640);
  direct.chmod('base/1/101', 0o640);
  direct.write('base/1/raw', 0, Buffer.from('x'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  direct.utimens('base/1/raw', times);
  const after = Date.now();
  direct.kill();
  const again = mount(diff);
  for (const path of ['base/1/100', 'base/1/101', 'base/new']) {
    const { mtime, mtimeNsec, ctime, ctimeNsec } = again.stat(path);
    const written = mtime * 1000 + mtimeNsec / 1e6;
    t.ok(written >= before && written <= after, `${path}: ${before} <= ${written} <= ${after}`);
    t.ok(ctime * 1000 + ctimeNsec / 1e6 >= written - 1, `${path}: ctime is no earlier`);
  }
  t.match(again.stat('base/1/raw'), { mtime: 2000, mtimeNsec: 5 }, 'a time that was set after the last write stays');
  again.close();
});

t.test('set-id bits that a change by somebody unprivileged has taken away do not come back after a kill', async (t) => {
  const how = { keepSize: false, zero: false };
  type Change = (engine: DataEngine, inode: Inode, dropSetId: boolean) => void;
  const changes: Record<string, Change> = {
    write: (engine, { row, generation }, drop) => engine.write(row, generation, block, 0, 100, 0, drop),
    truncate: (engine, { row, generation }, drop) => engine.truncate(row, generation, 9000, drop),
    allocate: (engine, { row, generation }, dropSetId) =>
      engine.allocate(row, generation, 0, 90_000, { ...how, dropSetId }),
  };
  for (const [name, change] of Object.entries(changes)) {
    const diff = newDiff();
    const direct = mount(diff);
    const [lost, kept] = [
      ['base/1/100', 'base/new'],
      ['base/1/101', 'base/kept'],
    ];
    for (const path of ['base/new', 'base/kept']) direct.create(path).close();
    for (const path of [...lost, ...kept]) {
      direct.chmod(path, 0o6755);
      change(direct.engine, direct.open(path).inode, lost.includes(path));
    }
    const check = (mounted: typeof direct, when: string): void => {
      for (const path of lost) t.equal(mounted.stat(path).mode & 0o7777, 0o755, `${name} ${path} ${when}`);
      for (const path of kept) t.equal(mounted.stat(path).mode & 0o7777, 0o6755, `${name} ${path} ${when}`);
    };
    check(direct, 'at once');
    direct.kill();
    const again = mount(diff);
    check(again, 'after a kill');
    again.close();
  }
});

t.test(
  'a file whose block map cannot be loaded is left alone by the clean end, also when it loses set-id bits',
  async (t) => {
    const diff = newDiff();
    const direct = mount(diff);
    direct.write('base/1/100', 0, block);
    direct.chmod('base/1/100', 0o6755);
    direct.close();
    const map = `${diff}/objects/${objects(diff).find((name) => name.endsWith('.map'))}`;
    const damaged = readFileSync(map);
    damaged.fill(0xff, 0, 64);
    writeFileSync(map, damaged);
    const again = mount(diff);
    again.keepInodes = true;
    const { arena } = again.shared;
    // As of files that were read and forgotten.
    for (const bytes of [512, 2048]) arena.free(arena.allocate(bytes), bytes);
    const { row, generation } = again.open('base/1/100').inode;
    t.throws(() => again.engine.write(row, generation, block, 0, 100, 0, true), { code: 'diff_damaged' });
    again.close();
    t.ok(readFileSync(map).equals(damaged), 'nothing was written over what may be restored');
    const last = mount(diff);
    t.equal(last.stat('base/1/100').mode & 0o7777, 0o755);
    last.close();
  },
);

t.test('objects that no name leads to are removed, at the clean end and after a kill', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  const open = direct.create('base/temporary');
  open.write(0, block);
  direct.open('base/1/100').write(0, block);
  direct.unlink('base/temporary');
  direct.unlink('base/1/100');
  t.ok(objects(diff).length > 0);
  // The kernel does not forget before it lets go of the mount.
  direct.engine.close();
  direct.overlay.close();
  t.same(objects(diff), [], 'clean end');
  const second = mount(diff);
  second.create('base/temporary').write(0, block);
  second.unlink('base/temporary');
  second.kill();
  mount(diff).close();
  t.same(objects(diff), [], 'after a kill');
});

t.test('a mapped object without any write is durable after a clean end', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  const open = direct.open('base/1/100');
  direct.overlay.ensureObject(open.inode.row, open.inode.generation);
  direct.close();
  const after = mount(diff, true);
  t.ok(after.readAll('base/1/100').equals(smallFiles.get('base/1/100')!));
  after.write('base/1/100', 0, block);
  t.ok(after.read('base/1/100', 0, 8192).equals(block));
  after.close();
});

t.test('an object that is shorter than at the clean end, or gone, is refused', async (t) => {
  const files = { 'base/new': 20_000, 'base/1/100': 5 * 8192 };
  for (const [path, size] of Object.entries(files)) {
    for (const left of [size - 1, 0, undefined]) {
      const diff = newDiff();
      const direct = mount(diff);
      if (path === 'base/new') direct.create(path).close();
      direct.write(path, size - 8192, block);
      direct.close();
      const name = objects(diff).find((object) => !object.endsWith('.map'))!;
      if (left === undefined) rmSync(`${diff}/objects/${name}`);
      else truncateSync(`${diff}/objects/${name}`, left);
      t.throws(() => mount(diff), { code: 'diff_damaged' }, `${path}: ${left ?? 'none'} of ${size} bytes`);
    }
  }
});

t.test('a torn tail of the journal is cut, and what came before it counts', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.mkdir('base/kept');
  const size = statSync(`${diff}/journal`).size;
  direct.mkdir('base/torn');
  direct.kill();
  truncateSync(`${diff}/journal`, size + 5);
  const after = mount(diff);
  t.ok(after.exists('base/kept'));
  t.notOk(after.exists('base/torn'));
  after.close();
});

t.test('a diff that was made on another backup is refused', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.write('base/1/100', 0, block);
  direct.close();
  const { overlay } = mount(newDiff());
  t.ok(overlay);
  const older = overlay.namespace.tree;
  t.throws(
    () =>
      older.apply({
        time: 1,
        changes: [
          ['node', 99, { mode: 0o100600, uid: 0, gid: 0, atime: [0, 0], mtime: [0, 0], ctime: [0, 0], base: 'none' }],
        ],
      }),
    { code: 'diff_foreign' },
  );
});

/** From now on no file of such a name takes anything. @returns the end of it */
function fullFor(t: Test, names: RegExp): () => void {
  const { writeSync } = fs;
  const restore = () => {
    Object.assign(fs, { writeSync });
    syncBuiltinESMExports();
  };
  t.teardown(restore);
  Object.assign(fs, {
    writeSync: (fd: number, ...rest: unknown[]) => {
      if (names.test(readlinkSync(`/proc/self/fd/${fd}`)))
        throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' });
      return (writeSync as (...args: unknown[]) => number)(fd, ...rest);
    },
  });
  syncBuiltinESMExports();
  return restore;
}

t.test('what a power loss has cut off is on record before anything is changed, also on a full disk', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.write('base/1/100', 0, block);
  direct.kill();
  const restore = fullFor(t, /\/journal\.new$/);
  t.throws(() => mount(diff, true), { code: 'diff_full' });
  const killed = mount(diff);
  t.ok(killed.read('base/1/100', 0, 8192).equals(block), 'where nothing was lost the journal may stay as it is');
  restore();
  killed.close();
});

t.test('names of objects that a killed mount has made are durable before they are on record again', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.create('base/new').write(0, block);
  direct.kill();
  const syncs = watchSyncs(t);
  syncs.failing = 'objects';
  t.throws(() => mount(diff), { code: 'mount_failed' });
  syncs.failing = undefined;
  syncs.done.length = 0;
  const after = mount(diff);
  t.ok(syncs.done.indexOf('objects') < syncs.done.indexOf('journal.new'), syncs.done.join(' '));
  after.close();
});

t.test('a mount that fails on a full disk once the journal is short again leaves what a kill had left', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.write('base/1/100', 0, block);
  direct.kill();
  // The journal's shortest form still fits, and nothing else does.
  const restore = fullFor(t, /\/journal$|\.map$/);
  t.throws(() => mount(diff), { code: 'diff_full' });
  restore();
  const after = mount(diff);
  t.ok(after.read('base/1/100', 0, 8192).equals(block));
  after.close();
});
