// A diff whose file system is full or read-only: the caller gets the errno, nothing old is lost, and life goes on.

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { DirectOverlay } from '../support/direct-overlay.js';
import { scratchDirectory, smallFiles, writeSmallCatalog } from '../support/small-catalog.js';

const root = scratchDirectory();
const catalog = writeSmallCatalog(`${root}/catalog`);
const isRoot = process.getuid?.() === 0;
const skip = isRoot ? false : 'mounting a small file system needs root';
const old = smallFiles.get('base/1/100')!;

interface SmallDisk {
  readonly diff: string;
  fill(): void;
  free(): void;
  remount(how: 'ro' | 'rw'): void;
}

/** A file system of 2 MiB; unmounted at the end of the test. */
function smallDisk(t: Test, name: string): SmallDisk {
  const directory = `${root}/${name}`;
  mkdirSync(directory);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=0700', 'pbkfs-test', directory]);
  t.teardown(() => execFileSync('umount', ['-l', directory]));
  return {
    diff: `${directory}/diff`,
    fill() {
      for (const size of [65536, 4096]) {
        for (let n = 0; ; n++) {
          try {
            writeFileSync(`${directory}/ballast.${size}.${n}`, Buffer.alloc(size));
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
            break;
          }
        }
      }
    },
    free: () => execFileSync('sh', ['-c', 'rm -f "$0"/ballast.*', directory]),
    remount: (how) => execFileSync('mount', ['-o', `remount,${how}`, directory]),
  };
}

t.test(
  'a full disk is ENOSPC, the old content stays, and after making room writing works (traps 22, 35)',
  { skip },
  async (t) => {
    const disk = smallDisk(t, 'full');
    let direct = new DirectOverlay({ catalog, diff: disk.diff });
    const block = Buffer.alloc(8192, 7);
    direct.write('base/1/101', 0, block);
    direct.create('pg_wal/1').close();
    direct.write('pg_wal/1', 0, block);
    const { blocks } = direct.overlay.budget;
    disk.fill();

    const enospc = { code: 'ENOSPC' };
    t.throws(() => direct.write('base/1/100', 8192, block), enospc, 'first write to a file of the backup');
    t.throws(() => direct.write('base/1/100', 100, block), enospc, 'a partial one');
    t.throws(() => direct.write('base/1/raw', 5, block), enospc);
    t.throws(() => direct.write('base/1/101', 8192, block), enospc, 'a further block of a changed file');
    t.throws(() => direct.write('base/1/101', 3 * 8192, Buffer.alloc(200_000, 1)), enospc, 'extending it');
    t.throws(() => direct.fallocate('base/1/101', 3 * 8192, 400_000), enospc, 'reserving space');
    t.throws(() => direct.fallocate('base/1/101', 5 * 8192, 400_000), enospc, 'and a gap before it');
    t.throws(() => direct.fallocate('pg_wal/1', 8192, 400_000), enospc);
    t.throws(() => direct.fallocate('pg_wal/1', 3 * 8192, 400_000), enospc);
    t.throws(() => direct.write('pg_wal/1', 8192, Buffer.alloc(4096)), enospc, 'extending a new file');
    t.throws(
      () => {
        for (let n = 0; n < 1000; n++) direct.create(`pg_wal/many${n}`).close();
      },
      enospc,
      'names need room, too',
    );

    const unchanged = (when: string) => {
      t.ok(direct.readAll('base/1/100').equals(old), `${when}: untouched file`);
      t.ok(direct.readAll('base/1/raw').equals(smallFiles.get('base/1/raw')!), `${when}: untouched raw file`);
      const changed = Buffer.from(smallFiles.get('base/1/101')!);
      changed.set(block, 0);
      t.ok(direct.readAll('base/1/101').equals(changed), `${when}: changed file`);
      t.ok(direct.readAll('pg_wal/1').equals(block), `${when}: new file`);
      t.equal(direct.stat('base/1/101').size, changed.length);
      t.equal(direct.stat('pg_wal/1').size, 8192);
      t.equal(direct.overlay.budget.blocks, blocks, `${when}: what is in use`);
    };
    unchanged('while the disk is full');

    direct.kill();
    disk.free();
    direct = new DirectOverlay({ catalog, diff: disk.diff });
    unchanged('after a kill');
    disk.fill();
    t.throws(() => direct.write('base/1/100', 8192, block), enospc);
    disk.free();
    direct.write('base/1/100', 8192, block);
    direct.write('base/1/101', 3 * 8192, block);
    direct.write('pg_wal/1', 8192, block);
    direct.fsync('base/1/100');
    direct.close();

    direct = new DirectOverlay({ catalog, diff: disk.diff });
    const wanted = Buffer.from(old);
    wanted.set(block, 8192);
    t.ok(direct.readAll('base/1/100').equals(wanted), 'after making room and a remount');
    t.equal(direct.stat('base/1/101').size, 4 * 8192);
    t.ok(direct.readAll('pg_wal/1').equals(Buffer.concat([block, block])));
    direct.close();
  },
);

t.test('what a kill left is served on a full disk, and made durable when there is room', { skip }, async (t) => {
  const disk = smallDisk(t, 'killed');
  const block = Buffer.alloc(8192, 7);
  const wanted = Buffer.from(old);
  wanted.set(block, 8192);
  const check = (direct: DirectOverlay, when: string) => {
    t.ok(direct.readAll('base/1/100').equals(wanted), `${when}: a changed file`);
    t.ok(direct.readAll('pg_wal/1').equals(block), `${when}: a new file`);
  };
  const first = new DirectOverlay({ catalog, diff: disk.diff });
  first.write('base/1/100', 8192, block);
  first.create('pg_wal/1').close();
  first.write('pg_wal/1', 0, block);
  // So that the journal in its shortest form does not fit either.
  for (let n = 0; n < 100; n++) first.create(`pg_wal/many${n}`).close();
  first.fsync('pg_wal/1');
  first.kill();
  // As maps are where the file system reserves no space.
  const sparse = 'for map in "$0"/objects/*.map; do cp --sparse=always $map $map.new; mv $map.new $map; done';
  execFileSync('sh', ['-c', sparse, disk.diff]);
  disk.fill();
  for (const round of ['once', 'twice']) {
    const direct = new DirectOverlay({ catalog, diff: disk.diff });
    check(direct, `killed ${round}`);
    t.throws(() => direct.fsync('base/1/100'), { code: 'ENOSPC' }, 'no sync is claimed that was none');
    t.throws(() => direct.overlay.close(), { code: 'diff_full' });
    direct.kill();
  }
  const last = new DirectOverlay({ catalog, diff: disk.diff });
  disk.free();
  last.fsync('base/1/100');
  last.kill();
  const again = new DirectOverlay({ catalog, diff: disk.diff, afterPowerLoss: true });
  check(again, 'synced, then a power loss');
  again.close();
});

t.test('on a full disk files can be removed, and that makes room (trap 35)', { skip }, async (t) => {
  const disk = smallDisk(t, 'removing');
  const direct = new DirectOverlay({ catalog, diff: disk.diff });
  const names = Array.from({ length: 60 }, (_, i) => `pg_wal/${i}`);
  for (const name of names) {
    direct.create(name).close();
    direct.write(name, 0, Buffer.alloc(8192, 7));
  }
  direct.mkdir('base/9');
  disk.fill();
  const enospc = { code: 'ENOSPC' };
  t.throws(
    () => {
      for (let n = 0; n < 1000; n++) direct.create(`base/2/many${n}`).close();
    },
    enospc,
    'no new names',
  );
  t.throws(() => direct.chmod('base/1/100', 0o640), enospc, 'what is kept for removals is not for others');
  direct.rmdir('base/9');
  for (const name of ['base/1/101', 'base/1/small', ...names]) direct.unlink(name);
  direct.dropCaches();
  t.equal(direct.write('base/1/raw', 5, Buffer.from('changed')), 7, 'there is room again');
  direct.kill();
  const again = new DirectOverlay({ catalog, diff: disk.diff });
  for (const name of ['base/9', 'base/1/101', ...names]) t.notOk(again.exists(name), name);
  t.equal(again.read('base/1/raw', 5, 7).toString(), 'changed');
  disk.free();
  again.close();
});

t.test('a write that fits in part is shorter than asked, and what was written stays', { skip }, async (t) => {
  const disk = smallDisk(t, 'part');
  const direct = new DirectOverlay({ catalog, diff: disk.diff });
  direct.create('pg_wal/big').close();
  const data = Buffer.alloc(3 << 20, 9);
  const written = direct.write('pg_wal/big', 0, data);
  t.ok(written > 0 && written < data.length, `${written} bytes`);
  t.equal(direct.stat('pg_wal/big').size, written);
  t.ok(direct.readAll('pg_wal/big').equals(data.subarray(0, written)));
  direct.truncate('pg_wal/big', 0);
  t.equal(direct.write('pg_wal/big', 0, Buffer.alloc(8192)), 8192, 'truncating made room');
  direct.close();
});

t.test('removing a file gives its space back although a thread still has it open', { skip }, async (t) => {
  const disk = smallDisk(t, 'room');
  const direct = new DirectOverlay({ catalog, diff: disk.diff });
  for (let round = 0; round < 6; round++) {
    direct.create(`pg_wal/${round}`).close();
    t.equal(direct.write(`pg_wal/${round}`, 0, Buffer.alloc(1 << 20, 1)), 1 << 20, `round ${round}`);
    direct.unlink(`pg_wal/${round}`);
    direct.dropCaches();
  }
  direct.close();
});

t.test('a diff that has become read-only is EROFS, and reading goes on (trap 35)', { skip }, async (t) => {
  const disk = smallDisk(t, 'readonly');
  const direct = new DirectOverlay({ catalog, diff: disk.diff, fdLimit: 2 });
  direct.write('base/1/101', 0, Buffer.alloc(8192, 7));
  const seen = direct.readAll('base/1/101');
  direct.kill();
  const again = new DirectOverlay({ catalog, diff: disk.diff });
  again.kill();
  disk.remount('ro');
  t.throws(() => new DirectOverlay({ catalog, diff: disk.diff }), { code: 'EROFS' }, 'mounting it says so');
  disk.remount('rw');
  const last = new DirectOverlay({ catalog, diff: disk.diff });
  t.ok(last.readAll('base/1/101').equals(seen));
  last.close();
  rmSync(disk.diff, { recursive: true });
});

t.test('a full disk lets the mount end where a file was removed that nobody has forgotten yet', { skip }, async (t) => {
  const disk = smallDisk(t, 'full-end');
  const direct = new DirectOverlay({ catalog, diff: disk.diff });
  const kept = Buffer.alloc(8192, 7);
  direct.create('base/large').close();
  direct.write('base/large', 0, Buffer.alloc(1 << 20, 1));
  direct.write('base/1/101', 0, kept);
  // So that the journal in its shortest form is more than what is left of the disk.
  for (let n = 0; n < 300; n++) direct.create(`pg_wal/many${n}`).close();
  disk.fill();
  const large = direct.open('base/large');
  direct.unlink('base/large');
  t.equal(large.stat().nlink, 0);
  direct.engine.close();
  direct.overlay.close();
  const again = new DirectOverlay({ catalog, diff: disk.diff });
  t.ok(again.read('base/1/101', 0, 8192).equals(kept));
  t.equal(again.stat('pg_wal/many299').size, 0);
  t.notOk(again.exists('base/large'));
  again.close();
});

t.test('a full disk keeps nobody from syncing what was written before', { skip }, async (t) => {
  const disk = smallDisk(t, 'syncing');
  const direct = new DirectOverlay({ catalog, diff: disk.diff });
  const wanted = Buffer.from(old);
  for (const [block, fill] of [
    [1, 7],
    [2, 8],
    [1, 9],
  ] as const) {
    const data = Buffer.alloc(8192, fill);
    direct.write('base/1/100', block * 8192, data);
    wanted.set(data, block * 8192);
    if (block === 1) disk.fill();
    direct.fsync('base/1/100');
    disk.free();
  }
  direct.kill();
  const after = new DirectOverlay({ catalog, diff: disk.diff, afterPowerLoss: true });
  t.ok(after.readAll('base/1/100').equals(wanted));
  after.close();
});
