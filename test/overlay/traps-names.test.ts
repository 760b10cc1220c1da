// The faults that overlays of this kind have had with names and attributes, one by one, on a made-up chain and on a real one.

import { readdirSync } from 'node:fs';
import t from 'tap';
import { S_IFMT } from '../../src/overlay/namespace/inode.js';
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../support/direct-overlay.js';
import { smallFiles } from '../support/small-catalog.js';
import { BLOCK, bytes, cases, equalBytes, mount, newDiff, original, small, survives } from './trap-cases.js';

for (const { name, catalog, datafile, raw } of cases) {
  t.test(`${name}: a new file over a deleted one never shows the old content (trap 19)`, async (t) => {
    for (const path of [datafile, raw]) {
      survives(
        t,
        catalog,
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
        catalog,
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
      catalog,
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
      const before = original(catalog, path);
      const wanted = Buffer.from(before);
      wanted.fill(9, BLOCK, BLOCK + 10);
      survives(
        t,
        catalog,
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
    const before = original(catalog, datafile);
    const inside = datafile.replace('base/1/', 'base/999/');
    survives(
      t,
      catalog,
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
    const direct = mount(catalog, newDiff());
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
    const diff = newDiff();
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
        catalog,
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
      catalog,
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
    const direct = mount(catalog, newDiff());
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
}

t.test('exchange and no-replace', async (t) => {
  const direct = mount(small, newDiff());
  t.throws(() => direct.rename('base/1/raw', 'base/1/small', RENAME_NOREPLACE), { code: 'EEXIST' });
  direct.rename('base/1/raw', 'base/1/small', RENAME_EXCHANGE);
  t.ok(direct.readAll('base/1/small').equals(smallFiles.get('base/1/raw')!));
  t.ok(direct.readAll('base/1/raw').equals(smallFiles.get('base/1/small')!));
  direct.close();
});
