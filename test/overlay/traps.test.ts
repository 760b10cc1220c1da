// The faults that overlays of this kind have had, one by one, on a made-up chain and on a real one.

import { readdirSync, statSync } from 'node:fs';
import t from 'tap';
import { S_IFMT } from '../../src/overlay/namespace/inode.js';
import { extractCatalog } from '../support/catalogs.js';
import { DirectOverlay, RENAME_EXCHANGE, RENAME_NOREPLACE } from '../support/direct-overlay.js';
import { scratchDirectory, smallFiles, writeSmallCatalog } from '../support/small-catalog.js';

const BLOCK = 8192;
const root = scratchDirectory();
const small = writeSmallCatalog(`${root}/catalog`);
const real = `${await extractCatalog('mini')}/catalog`;
const instanceOf = (catalog: string) => (catalog === real ? 'a' : 'main');
const mount = (catalog: string, diff: string, materializeOnRead = false) =>
  new DirectOverlay({ catalog, instance: instanceOf(catalog), diff, materializeOnRead });
let diffs = 0;

interface Case {
  readonly name: string;
  readonly catalog: string;
  /** a datafile of at least three blocks, and a raw file of more than a block */
  readonly datafile: string;
  readonly raw: string;
}

function largest(catalog: string, isWanted: (path: string) => boolean): string {
  const direct = mount(catalog, `${root}/look${diffs++}`);
  let found = '';
  for (const name of direct.readdir('base/1').keys()) {
    const path = `base/1/${name}`;
    if (isWanted(name) && (found === '' || direct.stat(path).size > direct.stat(found).size)) found = path;
  }
  direct.close();
  return found;
}

const cases: Case[] = [
  { name: 'made-up chain', catalog: small, datafile: 'base/1/100', raw: 'base/1/raw' },
  {
    name: 'real chain',
    catalog: real,
    datafile: largest(real, (name) => /^\d+$/.test(name)),
    raw: largest(real, (name) => /_fsm$/.test(name)),
  },
];

function bytes(length: number, fill: number): Buffer {
  return Buffer.alloc(length, fill);
}

for (const { name, catalog, datafile, raw } of cases) {
  /** Runs `act`, then the same checks again after a clean remount and after a kill. */
  const survives = (
    t: Tap,
    act: (direct: DirectOverlay) => void,
    check: (direct: DirectOverlay, when: string) => void,
  ) => {
    for (const end of ['close', 'kill'] as const) {
      const diff = `${root}/diff${diffs++}`;
      let direct = mount(catalog, diff);
      act(direct);
      check(direct, `before ${end}`);
      direct[end]();
      direct = mount(catalog, diff);
      check(direct, `after ${end}`);
      direct.close();
      direct = mount(catalog, diff);
      check(direct, `after ${end} and a clean remount`);
      direct.close();
    }
    t.pass('all of it after a clean remount and after a kill');
  };
  const original = (path: string): Buffer => {
    const direct = mount(catalog, `${root}/original${diffs++}`);
    const content = direct.readAll(path);
    direct.close();
    return content;
  };
  const equalBytes = (t: Tap, got: Buffer, wanted: Buffer, what: string) => {
    t.equal(got.length, wanted.length, `${what}: size`);
    t.ok(got.equals(wanted), `${what}: content`);
  };

  t.test(`${name}: blocks only the backup has stay readable after a write elsewhere (trap 15)`, async (t) => {
    for (const path of [datafile, raw]) {
      const wanted = original(path);
      wanted.fill(1, BLOCK, 2 * BLOCK);
      survives(
        t,
        (direct) => direct.write(path, BLOCK, bytes(BLOCK, 1)),
        (direct, when) => equalBytes(t, direct.readAll(path), wanted, `${path} ${when}`),
      );
    }
  });

  t.test(`${name}: sizes follow extension at once (trap 16)`, async (t) => {
    for (const path of [datafile, raw]) {
      const before = original(path);
      const end = before.length;
      survives(
        t,
        (direct) => {
          const file = direct.open(path);
          for (let n = 0; n < 3; n++) {
            file.write(end + n * BLOCK, bytes(BLOCK, n + 1));
            t.equal(direct.stat(path).size, end + (n + 1) * BLOCK);
            t.equal(file.stat().size, end + (n + 1) * BLOCK);
            t.equal(direct.read(path, end + (n + 1) * BLOCK, BLOCK).length, 0, 'nothing beyond the end');
          }
          file.fallocate(end + 3 * BLOCK, BLOCK);
          file.close();
        },
        (direct, when) => {
          const added = [1, 2, 3, 0].map((fill) => bytes(BLOCK, fill));
          equalBytes(t, direct.readAll(path), Buffer.concat([before, ...added]), `${path} ${when}`);
        },
      );
    }
  });

  t.test(`${name}: halves of blocks, unaligned writes and writes across blocks (trap 17)`, async (t) => {
    for (const path of [datafile, raw]) {
      const wanted = original(path);
      const writes: [position: number, length: number][] = [
        [BLOCK, BLOCK / 2],
        [BLOCK + BLOCK / 2, BLOCK / 2],
        [BLOCK / 2, BLOCK / 2],
        [100, 50],
        [BLOCK - 10, 20],
        [3, 2 * BLOCK],
        [BLOCK + 1, BLOCK - 2],
        [wanted.length - 1, 1],
      ];
      for (const [i, [position, length]] of writes.entries()) wanted.fill(i + 1, position, position + length);
      survives(
        t,
        (direct) => {
          for (const [i, [position, length]] of writes.entries()) direct.write(path, position, bytes(length, i + 1));
        },
        (direct, when) => {
          equalBytes(t, direct.readAll(path), wanted, `${path} ${when}`);
          for (const [from, length] of [
            [0, 4096],
            [4096, 4096],
            [8191, 2],
            [5000, 9000],
          ]) {
            t.ok(
              direct.read(path, from, length).equals(wanted.subarray(from, from + length)),
              `read ${from}+${length}`,
            );
          }
        },
      );
    }
  });

  t.test(`${name}: truncate keeps what lies below, and what grows again is zeros (trap 18)`, async (t) => {
    for (const path of [datafile, raw]) {
      const before = original(path);
      for (const cut of [0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 5000]) {
        const wanted = Buffer.concat([before.subarray(0, cut), bytes(before.length + 10 - cut, 0)]);
        survives(
          t,
          (direct) => {
            direct.truncate(path, cut);
            t.equal(direct.stat(path).size, cut);
            t.ok(direct.readAll(path).equals(before.subarray(0, cut)), `${path} cut to ${cut}`);
            direct.truncate(path, wanted.length);
          },
          (direct, when) => equalBytes(t, direct.readAll(path), wanted, `${path} cut to ${cut} and grown, ${when}`),
        );
      }
      survives(
        t,
        (direct) => {
          direct.truncate(path, 0);
          direct.write(path, 2 * BLOCK, bytes(10, 5));
        },
        (direct, when) =>
          equalBytes(t, direct.readAll(path), Buffer.concat([bytes(2 * BLOCK, 0), bytes(10, 5)]), `re-used ${when}`),
      );
    }
  });

  t.test(`${name}: a new file over a deleted one never shows the old content (trap 19)`, async (t) => {
    for (const path of [datafile, raw]) {
      survives(
        t,
        (direct) => {
          direct.unlink(path);
          t.throws(() => direct.stat(path), { code: 'ENOENT' });
          direct.create(path).close();
          t.equal(direct.stat(path).size, 0);
          direct.truncate(path, 3 * BLOCK);
        },
        (direct, when) => equalBytes(t, direct.readAll(path), bytes(3 * BLOCK, 0), `re-created ${path} ${when}`),
      );
      survives(
        t,
        (direct) => {
          direct.create('base/other').close();
          direct.write('base/other', 0, bytes(10, 3));
          direct.rename('base/other', path);
        },
        (direct, when) => {
          equalBytes(t, direct.readAll(path), bytes(10, 3), `renamed over ${path} ${when}`);
          t.notOk(direct.exists('base/other'));
        },
      );
    }
    survives(
      t,
      (direct) => {
        for (const entry of direct.readdir('base/1').keys()) direct.unlink(`base/1/${entry}`);
        direct.rmdir('base/1');
        t.notOk(direct.exists('base/1'), 'an emptied directory of the backup can go');
        direct.mkdir('base/1');
      },
      (direct, when) => t.same([...direct.readdir('base/1').keys()], [], `a new directory is empty ${when}`),
    );
  });

  t.test(`${name}: a file of the backup carries its blocks along when it is renamed (trap 20)`, async (t) => {
    for (const path of [datafile, raw]) {
      const before = original(path);
      const wanted = Buffer.from(before);
      wanted.fill(9, BLOCK, BLOCK + 10);
      survives(
        t,
        (direct) => {
          direct.rename(path, 'base/moved');
          t.ok(direct.readAll('base/moved').equals(before));
          direct.write('base/moved', BLOCK, bytes(10, 9));
          direct.mkdir('base/777');
          direct.rename('base/moved', 'base/777/again');
        },
        (direct, when) => {
          equalBytes(t, direct.readAll('base/777/again'), wanted, `${path} ${when}`);
          t.notOk(direct.exists(path));
          t.notOk(direct.exists('base/moved'));
        },
      );
    }
  });

  t.test(`${name}: a directory of the backup can be renamed with all that is in it (trap 20)`, async (t) => {
    const before = original(datafile);
    const inside = datafile.replace('base/1/', 'base/999/');
    survives(
      t,
      (direct) => {
        direct.write(datafile, 0, bytes(5, 1));
        direct.rename('base/1', 'base/999');
        direct.write(inside, 10, bytes(5, 2));
      },
      (direct, when) => {
        const wanted = Buffer.from(before);
        wanted.fill(1, 0, 5).fill(2, 10, 15);
        equalBytes(t, direct.readAll(inside), wanted, when);
        t.notOk(direct.exists('base/1'));
      },
    );
  });

  t.test(`${name}: rename over an open file leaves the open one alone (traps 20, 21)`, async (t) => {
    const direct = mount(catalog, `${root}/diff${diffs++}`);
    const [first, second] = [direct.readAll(datafile), direct.readAll(raw)];
    const open = direct.open(datafile);
    direct.rename(raw, datafile);
    t.ok(open.readAll().equals(first), 'the replaced file for its holder');
    t.ok(direct.readAll(datafile).equals(second), 'the new one for everybody else');
    open.write(0, bytes(BLOCK, 4));
    t.ok(open.read(0, BLOCK).equals(bytes(BLOCK, 4)), 'and it can still be written');
    t.ok(direct.readAll(datafile).equals(second));
    open.close();
    direct.close();
  });

  t.test(`${name}: unlinked but open files live on, apart from a new file of that name (trap 21)`, async (t) => {
    const diff = `${root}/diff${diffs++}`;
    const direct = mount(catalog, diff);
    const before = direct.readAll(datafile);
    const open = direct.open(datafile);
    direct.unlink(datafile);
    const fresh = direct.create(datafile);
    t.not(fresh.stat().ino, open.stat().ino);
    t.equal(open.stat().nlink, 0);
    open.write(before.length, bytes(3, 8));
    fresh.write(0, bytes(3, 1));
    open.fsync();
    t.ok(open.readAll().equals(Buffer.concat([before, bytes(3, 8)])));
    t.ok(fresh.readAll().equals(bytes(3, 1)));
    open.close();
    fresh.close();
    direct.dropCaches();
    t.equal(readdirSync(`${diff}/objects`).length, 1, 'only the new file has an object left');
    direct.close();
  });

  t.test(`${name}: modes, owners and times stay, also on files of the backup (trap 23)`, async (t) => {
    for (const path of [datafile, 'base/1', 'PG_VERSION']) {
      survives(
        t,
        (direct) => {
          direct.chmod(path, 0o751);
          direct.chown(path, 77, 88);
          direct.utimens(path, { atime: [1_000_000_001, 123_456_789], mtime: [1_000_000_002, 987_654_321] });
          direct.utimens(path, { atime: [1_000_000_003, 5] });
        },
        (direct, when) => {
          const { mode, uid, gid, atime, atimeNsec, mtime, mtimeNsec } = direct.stat(path);
          t.same(
            [mode & ~S_IFMT, uid, gid, atime, atimeNsec, mtime, mtimeNsec],
            [0o751, 77, 88, 1_000_000_003, 5, 1_000_000_002, 987_654_321],
            `${path} ${when}`,
          );
        },
      );
    }
  });

  t.test(`${name}: nothing of the diff shows in the tree (trap 24)`, async (t) => {
    survives(
      t,
      (direct) => {
        direct.write(datafile, 0, bytes(10, 1));
        direct.unlink('PG_VERSION');
        direct.create('new').close();
      },
      (direct, when) => {
        const walk = (directory: string): string[] =>
          [...direct.readdir(directory).keys()].flatMap((entry) => {
            const path = directory === '' ? entry : `${directory}/${entry}`;
            return (direct.stat(path).mode & S_IFMT) === 0o040000 ? [path, ...walk(path)] : [path];
          });
        const strange = walk('').filter((path) =>
          /[0-9a-f]{32}|^journal|^objects|^lock|\.wh|^binding|^\.pbkfs/.test(path),
        );
        t.same(strange, [], when);
        for (const path of ['journal', 'objects', 'PG_VERSION', `${datafile}.map`]) t.notOk(direct.exists(path), path);
      },
    );
  });

  t.test(`${name}: inode numbers stay while the inode lives, and links count (trap 25)`, async (t) => {
    const direct = mount(catalog, `${root}/diff${diffs++}`);
    const { ino, nlink } = direct.stat(datafile);
    t.equal(nlink, 1);
    direct.write(datafile, 0, bytes(10, 1));
    direct.link(datafile, 'base/second');
    direct.rename(datafile, 'base/third');
    direct.dropCaches();
    for (const path of ['base/second', 'base/third']) {
      t.equal(direct.stat(path).ino, ino, path);
      t.equal(direct.stat(path).nlink, 2, path);
      t.equal(direct.readdir('base').get(path.slice(5)), ino, 'as the listing says');
    }
    direct.unlink('base/second');
    t.equal(direct.stat('base/third').nlink, 1);
    const links = direct.stat('base').nlink;
    direct.mkdir('base/dir');
    t.equal(direct.stat('base').nlink, links + 1);
    direct.rmdir('base/dir');
    t.equal(direct.stat('base').nlink, links);
    direct.close();
  });

  t.test(`${name}: reading everything and syncing it leaves the diff empty (trap 36)`, async (t) => {
    const diff = `${root}/diff${diffs++}`;
    const direct = mount(catalog, diff);
    const journal = statSync(`${diff}/journal`).size;
    for (const path of [datafile, raw, 'PG_VERSION']) {
      const open = direct.open(path);
      open.fsync();
      open.readAll();
      open.fsync();
      open.close();
    }
    for (const path of ['', 'base', 'base/1']) direct.fsyncdir(path);
    t.same(readdirSync(`${diff}/objects`), []);
    t.equal(statSync(`${diff}/journal`).size, journal);
    direct.close();
  });

  t.test(`${name}: materialising on read copies block by block, and changes nothing that is read`, async (t) => {
    const diff = `${root}/diff${diffs++}`;
    const wanted = original(datafile);
    const direct = mount(catalog, diff, true);
    t.ok(direct.read(datafile, BLOCK, 10).equals(wanted.subarray(BLOCK, BLOCK + 10)));
    t.equal(direct.counters().blocksMaterialized, 1);
    t.ok(direct.readAll(datafile).equals(wanted));
    t.ok(direct.readAll(datafile).equals(wanted));
    t.equal(direct.counters().blocksMaterialized, wanted.length / BLOCK, 'every block once');
    direct.kill();
    const again = mount(catalog, diff);
    t.ok(again.readAll(datafile).equals(wanted), 'after a kill');
    t.equal(again.counters().blocksFromBackup, 0, 'nothing of it comes from the backup any more');
    again.close();
  });

  t.test(`${name}: every size is right after a first small write and a remount (trap 38)`, async (t) => {
    const diff = `${root}/diff${diffs++}`;
    let direct = mount(catalog, diff);
    const sizes = new Map<string, number>();
    for (const entry of direct.readdir('base/1').keys()) sizes.set(entry, direct.stat(`base/1/${entry}`).size);
    for (const [entry, size] of sizes) if (size > 0) direct.write(`base/1/${entry}`, 0, bytes(1, 1));
    for (const end of ['kill', 'close', 'close'] as const) {
      direct[end]();
      direct = mount(catalog, diff);
      const wrong = [...sizes].filter(
        ([entry, size]) =>
          direct.stat(`base/1/${entry}`).size !== size || direct.readAll(`base/1/${entry}`).length !== size,
      );
      t.same(wrong, [], `after ${end}`);
    }
    direct.close();
  });
}

t.test('exchange and no-replace', async (t) => {
  const direct = mount(small, `${root}/diff${diffs++}`);
  t.throws(() => direct.rename('base/1/raw', 'base/1/small', RENAME_NOREPLACE), { code: 'EEXIST' });
  direct.rename('base/1/raw', 'base/1/small', RENAME_EXCHANGE);
  t.ok(direct.readAll('base/1/small').equals(smallFiles.get('base/1/raw')!));
  t.ok(direct.readAll('base/1/raw').equals(smallFiles.get('base/1/small')!));
  direct.close();
});

type Tap = Pick<typeof t, 'ok' | 'equal' | 'pass'>;
