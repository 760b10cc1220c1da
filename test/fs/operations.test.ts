// Operations whose rules random sequences of calls do not reach, on files of the backup and on new ones, also after a remount.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type SmallMount, unmounted } from '../mount/small-mount.js';
import { type FileSpec, startTime, writeCatalog } from '../support/catalog-writer.js';
import { mountMissing } from '../support/mount.js';
import { makePage } from '../support/pages.js';
import { postgres15 } from '../support/postgres.js';
import { run } from '../support/run.js';
import {
  lseek,
  Mapping,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  renameat2,
  SEEK_DATA,
  SEEK_HOLE,
  utimens,
  xattr,
} from '../support/system-calls.js';

t.setTimeout(600_000);

const BLOCK = 8192;
/** Files of the backup that nothing has changed: a relation segment and a raw file. */
const BASE = ['base/1/100', 'base/1/raw'] as const;
const pages = [0, 1, 2, 3, 4].map((block) => [block, makePage(block + 1, block, { filled: true })] as const);
const patterned = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => ((i * 31) % 251) + 1));
const contents = new Map<string, Buffer>([
  ['base/1/100', Buffer.concat(pages.map(([, page]) => page))],
  ['base/1/raw', patterned(20_000)],
  ['base/1/small', patterned(100)],
  ['base/2/200', patterned(300)],
]);
const base = (name: string): Buffer => Buffer.from(contents.get(name)!);

/** One mount for all tests: each has a copy of these files, in a directory of its own. */
const PLACES = 12;

function catalogOf(root: string): void {
  const files: FileSpec[] = [
    { path: 'global', dir: true },
    { path: 'global/pg_control', content: Buffer.alloc(BLOCK, 1) },
  ];
  for (let place = 0; place < PLACES; place++) {
    const at = `t${place}`;
    for (const path of ['', '/base', '/base/1', '/base/2', '/base/5']) files.push({ path: `${at}${path}`, dir: true });
    for (const [path, content] of contents)
      files.push({ path: `${at}/${path}`, ...(path === 'base/1/100' ? { pages } : { content }) });
  }
  writeCatalog(root, [{ start: startTime(1), mode: 'FULL', files }]);
}

let mount: SmallMount;
let places = 0;
/** What has to be as it was after a remount, too. */
const afterwards: Check[] = [];

type Check = (t: Test) => void;

interface Place {
  path(name: string): string;
  /** Checks now, and again after a remount. */
  twice(t: Test, check: Check): void;
}

function ground(): Place {
  const place = `t${places++}`;
  return {
    path: (name) => mount.path(`${place}/${name}`),
    twice: (t, check) => {
      check(t);
      afterwards.push(check);
    },
  };
}

t.test('operations', { skip: mountMissing }, async (t) => {
  mount = unmounted(t);
  mount.catalog = join(mount.base, 'places');
  catalogOf(mount.catalog);
  await mount.first();

  t.test('both times, to the nanosecond, each without the other (trap 23)', async (t) => {
    const place = ground();
    fs.writeFileSync(place.path('base/1/new'), '');
    fs.symlinkSync('100', place.path('base/1/link'));
    const names = [...BASE, 'base/1/new', 'base/1/link', 'base/2'];
    const times = (name: string): bigint[] => {
      const { atimeNs, mtimeNs } = fs.lstatSync(place.path(name), { bigint: true });
      return [atimeNs, mtimeNs];
    };
    const [first, second, third] = [1_000_000_000_123_456_789n, 4_000_000_000_000_000_001n, 999_999_999n];
    for (const name of names) {
      const path = place.path(name);
      utimens(path, first, second);
      t.same(times(name), [first, second], name);
      utimens(path, 'omit', third);
      t.same(times(name), [first, third], `${name}: mtime alone`);
      const earlier = BigInt(Date.now()) * 1_000_000n - 1_000_000_000n;
      utimens(path, third, 'now');
      t.ok(times(name)[1]! > earlier, `${name}: now`);
      utimens(path, 'omit', second);
      utimens(path, 'omit', 'omit');
    }
    place.twice(t, (t) => {
      for (const name of names) t.same(times(name), [third, second], `${name}: both at last`);
    });
  });

  t.test('a fifo and a socket work, and stay what they are (trap 23)', async (t) => {
    const place = ground();
    const [fifo, socket] = [place.path('base/1/fifo'), place.path('base/1/socket')];
    execFileSync('mkfifo', ['-m', '640', fifo]);
    const writing = run('sh', ['-c', 'echo through the fifo > "$1"', 'sh', fifo]);
    t.match(await run('cat', [fifo]), { status: 0, stdout: 'through the fifo\n' });
    t.match(await writing, { status: 0 });
    const server = createServer((connection) => connection.end('through the socket'));
    server.listen(socket);
    await once(server, 'listening');
    const client = connect(socket);
    const [said] = (await once(client, 'data')) as [Buffer];
    t.equal(said.toString(), 'through the socket');
    client.destroy();
    // A server takes its socket away when it ends; a second name keeps it.
    fs.linkSync(socket, place.path('base/1/kept'));
    await new Promise((resolve) => server.close(resolve));
    place.twice(t, (t) => {
      t.ok(fs.lstatSync(fifo).isFIFO());
      t.equal(fs.lstatSync(fifo).mode & 0o7777, 0o640);
      t.ok(fs.lstatSync(place.path('base/1/kept')).isSocket());
    });
  });

  t.test('a file is recycled by link and unlink, as PostgreSQL 13 does with WAL', async (t) => {
    const place = ground();
    for (const name of BASE) {
      const [old, fresh] = [place.path(name), place.path(`${name}.recycled`)];
      fs.linkSync(old, fresh);
      t.match([fs.statSync(old), fs.statSync(fresh)], [{ nlink: 2 }, { nlink: 2, ino: fs.statSync(old).ino }]);
      t.throws(() => fs.linkSync(old, fresh), { code: 'EEXIST' });
      fs.unlinkSync(old);
      fs.writeFileSync(old, 'another file');
      const fd = fs.openSync(fresh, 'r+');
      fs.writeSync(fd, 'recycled', BLOCK - 4);
      fs.fsyncSync(fd);
      fs.closeSync(fd);
    }
    place.twice(t, (t) => {
      for (const name of BASE) {
        const wanted = base(name);
        wanted.write('recycled', BLOCK - 4);
        t.ok(fs.readFileSync(place.path(`${name}.recycled`)).equals(wanted), name);
        t.equal(fs.statSync(place.path(`${name}.recycled`)).nlink, 1);
        t.equal(fs.readFileSync(place.path(name), 'utf8'), 'another file');
      }
    });
  });

  t.test('renameat2: no replacement, exchange, and no whiteouts', async (t) => {
    const place = ground();
    const at = (name: string): string => place.path(`base/${name}`);
    t.throws(() => renameat2(at('1/raw'), at('1/small'), RENAME_NOREPLACE), { code: 'EEXIST' });
    t.throws(() => renameat2(at('1/raw'), at('2'), RENAME_NOREPLACE), { code: 'EEXIST' });
    // The kernel refuses whiteouts and contradictions for FUSE by itself, or we do: EINVAL, as file systems without them say.
    t.throws(() => renameat2(at('1/raw'), at('1/new'), RENAME_WHITEOUT), { code: 'EINVAL' });
    t.throws(() => renameat2(at('1/raw'), at('1/small'), RENAME_NOREPLACE | RENAME_EXCHANGE), { code: 'EINVAL' });
    t.throws(() => renameat2(at('1/raw'), at('1/none'), RENAME_EXCHANGE), { code: 'ENOENT' });
    for (const name of ['1/raw', '1/small']) t.ok(fs.readFileSync(at(name)).equals(base(`base/${name}`)), 'as before');
    renameat2(at('1/raw'), at('1/moved'), RENAME_NOREPLACE);
    renameat2(at('1/moved'), at('1/small'), RENAME_EXCHANGE);
    // A relation segment and an empty directory; a directory full of files of the backup and one of the mount.
    renameat2(at('1/100'), at('5'), RENAME_EXCHANGE);
    fs.mkdirSync(at('mine'));
    fs.writeFileSync(at('mine/file'), 'mine');
    renameat2(at('2'), at('mine'), RENAME_EXCHANGE);
    t.throws(() => renameat2(at('1'), at('1/100'), RENAME_EXCHANGE), { code: 'EINVAL' }, 'a directory into itself');
    place.twice(t, (t) => {
      t.ok(fs.readFileSync(at('1/moved')).equals(base('base/1/small')));
      t.ok(fs.readFileSync(at('1/small')).equals(base('base/1/raw')));
      t.ok(fs.readFileSync(at('5')).equals(base('base/1/100')));
      t.same(fs.readdirSync(at('1/100')), []);
      t.ok(fs.readFileSync(at('mine/200')).equals(base('base/2/200')));
      t.same(fs.readdirSync(at('2')), ['file']);
      t.equal(fs.readFileSync(at('2/file'), 'utf8'), 'mine');
    });
  });

  t.test('a new directory in the place of one of the backup is empty', async (t) => {
    const place = ground();
    const at = (name: string): string => place.path(`base/${name}`);
    t.throws(() => fs.rmdirSync(at('1')), { code: 'ENOTEMPTY' });
    fs.rmSync(at('1'), { recursive: true });
    fs.mkdirSync(at('1'));
    fs.writeFileSync(at('1/small'), 'new');
    fs.renameSync(at('2'), at('away'));
    fs.mkdirSync(at('2'));
    fs.mkdirSync(at('over'));
    fs.renameSync(at('over'), at('5'));
    place.twice(t, (t) => {
      t.same(fs.readdirSync(at('1')), ['small']);
      t.equal(fs.readFileSync(at('1/small'), 'utf8'), 'new');
      t.throws(() => fs.statSync(at('1/100')), { code: 'ENOENT' });
      t.same(fs.readdirSync(at('2')), []);
      t.throws(() => fs.statSync(at('2/200')), { code: 'ENOENT' });
      t.ok(fs.readFileSync(at('away/200')).equals(base('base/2/200')), 'the renamed one has its files');
      t.same(fs.readdirSync(at('5')), []);
    });
  });

  t.test('no extended attributes, and no request for them at a write (trap 23)', async (t) => {
    const place = ground();
    const path = place.path('base/1/raw');
    for (const name of ['user.x', 'security.x', 'trusted.x'])
      t.throws(() => xattr.set(path, name), { code: 'ENOTSUP' }, name);
    t.throws(() => xattr.get(path, 'user.x'), { code: 'ENOTSUP' });
    t.throws(() => xattr.remove(path, 'user.x'), { code: 'ENOTSUP' });
    t.throws(() => xattr.list(path), { code: 'ENOTSUP' });
    const others = (): number => JSON.parse(fs.readFileSync(mount.path('.pbkfs/stat'), 'utf8')).counters.otherRequest;
    const fd = fs.openSync(path, 'r+');
    const before = others();
    for (let n = 0; n < 50; n++) fs.writeSync(fd, Buffer.alloc(100, n), 0, 100, n * 100);
    t.equal(others(), before);
    fs.closeSync(fd);
  });

  t.test('what is written through a mapping is in the file', async (t) => {
    const place = ground();
    fs.writeFileSync(place.path('new'), Buffer.alloc(3 * BLOCK, 1));
    const wanted = new Map([...BASE, 'new'].map((name) => [name, fs.readFileSync(place.path(name))]));
    for (const [name, content] of wanted) {
      const fd = fs.openSync(place.path(name), 'r+');
      const mapping = new Mapping(fd, content.length);
      t.ok(mapping.read().equals(content), `${name} through the mapping`);
      content.fill(7, BLOCK - 100, BLOCK + 100);
      content.write('the end', content.length - 7);
      mapping.write(content);
      // Another one's write, beside it.
      fs.writeSync(fd, 'beside', 10);
      content.write('beside', 10);
      t.ok(mapping.read().equals(content), 'a write shows in the mapping');
      fs.closeSync(fd);
      mapping.sync();
      const direct = execFileSync('dd', [`if=${place.path(name)}`, 'bs=1M', 'iflag=direct', 'status=none']);
      t.ok(direct.equals(content), 'and the mapping in a read past all caches');
      // Nothing tells the mount that the last user has gone: the kernel writes back when it likes.
      content.fill(8, 0, 5);
      mapping.write(content);
      mapping.close();
    }
    const gone = fs.openSync(place.path('base/1/small'), 'r+');
    const orphan = new Mapping(gone, 100);
    fs.unlinkSync(place.path('base/1/small'));
    fs.closeSync(gone);
    orphan.write(Buffer.alloc(100, 9));
    orphan.sync();
    t.ok(orphan.read().equals(Buffer.alloc(100, 9)), 'also of a file without a name and without a descriptor');
    orphan.close();
    place.twice(t, (t) => {
      for (const [name, content] of wanted) t.ok(fs.readFileSync(place.path(name)).equals(content), name);
    });
  });

  t.test('O_DIRECT and the page cache see the same bytes', async (t) => {
    const place = ground();
    fs.writeFileSync(place.path('new'), Buffer.alloc(5000, 1));
    const wanted = new Map([...BASE, 'new'].map((name) => [name, fs.readFileSync(place.path(name))]));
    const source = join(mount.base, 'source');
    fs.writeFileSync(source, Buffer.alloc(4096, 'direct '));
    for (const [name, content] of wanted) {
      const path = place.path(name);
      // Into the middle of a block, over what the cache has, and 4 KiB beyond the end.
      for (const block of [1, Math.ceil(content.length / 4096)]) {
        execFileSync('dd', [
          `if=${source}`,
          `of=${path}`,
          'bs=4k',
          `seek=${block}`,
          'conv=notrunc',
          'oflag=direct',
          'status=none',
        ]);
      }
      const grown = Buffer.alloc((Math.ceil(content.length / 4096) + 1) * 4096);
      content.copy(grown);
      for (const at of [4096, grown.length - 4096]) fs.readFileSync(source).copy(grown, at);
      wanted.set(name, grown);
      t.ok(fs.readFileSync(path).equals(grown), `${name}: what went past the cache`);
      const fd = fs.openSync(path, 'r+');
      fs.writeSync(fd, 'cached', 6000);
      fs.closeSync(fd);
      grown.write('cached', 6000);
      const direct = execFileSync('dd', [`if=${path}`, 'bs=4k', 'iflag=direct', 'status=none']);
      t.ok(direct.equals(grown), `${name}: what went through it`);
    }
    place.twice(t, (t) => {
      for (const [name, content] of wanted) t.ok(fs.readFileSync(place.path(name)).equals(content), name);
    });
  });

  t.test('O_APPEND: writers at the same time lose nothing of each other', async (t) => {
    const place = ground();
    const [writers, lines] = [4, 250];
    const loop = `i=0; while [ $i -lt ${lines} ]; do echo "$1 $i" >> "$2"; i=$((i+1)); done`;
    for (const name of ['base/1/raw', 'base/1/new']) {
      const all = Array.from({ length: writers }, (_, n) => run('sh', ['-c', loop, 'sh', String(n), place.path(name)]));
      for (const writer of all) t.match(await writer, { status: 0, stderr: '' });
    }
    const each = Array.from({ length: writers }, (_, n) => Array.from({ length: lines }, (_, i) => `${n} ${i}`));
    place.twice(t, (t) => {
      for (const name of ['base/1/raw', 'base/1/new']) {
        const before = contents.get(name) ?? Buffer.alloc(0);
        const content = fs.readFileSync(place.path(name));
        t.ok(content.subarray(0, before.length).equals(before), `${name}: what was there`);
        const appended = content.toString('latin1', before.length).trimEnd().split('\n');
        for (const [n, wanted] of each.entries())
          t.strictSame(
            appended.filter((line) => line.startsWith(`${n} `)).join(),
            wanted.join(),
            `${name}: writer ${n}`,
          );
        t.equal(appended.length, writers * lines);
      }
    });
  });

  t.test('the whole file is data for lseek, and a sparse copy loses nothing (trap 23)', async (t) => {
    const place = ground();
    for (const name of BASE) {
      const path = place.path(name);
      const fd = fs.openSync(path, 'r+');
      // The object in the diff is sparse from now on: one block of several.
      fs.writeSync(fd, 'x', BLOCK);
      const { size } = fs.fstatSync(fd);
      t.equal(lseek(fd, 0, SEEK_DATA), 0);
      t.equal(lseek(fd, 2 * BLOCK, SEEK_DATA), 2 * BLOCK);
      t.equal(lseek(fd, 0, SEEK_HOLE), size);
      t.throws(() => lseek(fd, size, SEEK_DATA), { code: 'ENXIO' });
      fs.closeSync(fd);
      const wanted = base(name);
      wanted.write('x', BLOCK);
      const copy = join(mount.base, 'copy');
      execFileSync('cp', ['--sparse=always', path, copy]);
      t.ok(fs.readFileSync(copy).equals(wanted), name);
    }
    const directory = fs.openSync(place.path('base/1'), 'r');
    fs.fsyncSync(directory);
    fs.closeSync(directory);
    const { blocks, bsize, type } = fs.statfsSync(mount.mountpoint);
    t.match({ blocks: fs.statfsSync(mount.diff).blocks, bsize: fs.statfsSync(mount.diff).bsize }, { blocks, bsize });
    t.equal(type, 0x65735546, 'FUSE');
  });

  t.test('the kernel keeps to modes, owners, sticky and set-id bits', async (t) => {
    const place = ground();
    const { user } = postgres15();
    const other = { uid: 54321, gid: 54321, name: 'other' };
    const at = (name: string): string => place.path(`base/1/${name}`);
    for (const path of [mount.mountpoint, place.path(''), place.path('base'), place.path('base/1')])
      fs.chmodSync(path, 0o755);
    fs.mkdirSync(at('all'));
    fs.chmodSync(at('all'), 0o1777);
    fs.mkdirSync(at('group'));
    fs.chownSync(at('group'), user.uid, 4242);
    fs.chmodSync(at('group'), 0o2775);
    const sh = (line: string, as = user) =>
      run('sh', ['-c', `umask 022; cd ${place.path('base/1')}; ${line}`], { user: as });
    t.match(await sh('cat raw'), { status: 1, stderr: /Permission denied/ }, 'a file of the backup is 0600');
    t.match(await sh('echo x > own'), { stderr: /Permission denied/ }, 'a directory of somebody else');
    t.match(await sh('echo x > all/own; chmod 644 all/own; mkdir all/dir; echo y > group/in'), {
      status: 0,
      stderr: '',
    });
    t.match(await sh('rm -f all/own', other), { stderr: /Operation not permitted/ }, 'sticky');
    t.match(await sh('mv all/own all/stolen', other), { stderr: /Operation not permitted/ }, 'sticky');
    t.match(await sh('cat all/own', other), { stdout: 'x\n' });
    t.match(await sh('chmod 666 all/own; chown 54321 all/own', other), {
      stderr: /chmod.*not permitted\nchown.*not permitted/,
    });
    t.match(await sh('chown 54321 all/own'), { stderr: /not permitted/ }, 'giving away');
    t.match(await sh('chmod 6755 group/in all/own; echo more >> all/own'), { status: 0 });
    t.match(
      await sh('test -r all/own && ! test -w all/own && ! test -x /nonexistent', other),
      { status: 0 },
      'access(2)',
    );
    place.twice(t, (t) => {
      t.match(fs.statSync(at('all/own')), { uid: user.uid, gid: user.gid }, 'new files belong to the caller');
      t.match(fs.statSync(at('all/dir')), { uid: user.uid, gid: user.gid });
      t.equal(fs.statSync(at('all/own')).mode & 0o7777, 0o755, 'writing took the set-id bits away');
      t.match(fs.statSync(at('group/in')), { uid: user.uid, gid: 4242 }, 'a set-gid directory hands its group down');
      t.equal(fs.statSync(at('group/in')).mode & 0o7777, 0o4755, 'no set-gid for a group that the owner is not in');
      t.equal(fs.statSync(at('all')).mode & 0o7777, 0o1777);
    });
  });

  t.test('a forgotten inode is never mixed up with another while requests run (trap 28)', async (t) => {
    const place = ground();
    // Makes the kernel forget what nobody has open, again and again.
    const dropping = spawn('sh', ['-c', 'while :; do echo 2 > /proc/sys/vm/drop_caches; sleep 0.02; done'], {
      stdio: 'ignore',
    });
    const loop = `i=0; while [ $i -lt 150 ]; do
    echo "$1 $i" > "$2/$1-$i" && mv "$2/$1-$i" "$2/$1+$i" && [ "$(cat "$2/$1+$i")" = "$1 $i" ] || { echo "lost $1 $i"; exit 1; }
    cmp -s "$3" "$4" || { echo "the file of the backup is wrong"; exit 1; }
    [ $((i % 3)) = 0 ] || rm "$2/$1+$i"; i=$((i+1)); done`;
    const copy = join(mount.base, 'copy');
    fs.writeFileSync(copy, base('base/1/raw'));
    const args = [place.path('base/2'), place.path('base/1/raw'), copy];
    const all = ['a', 'b', 'c'].map((name) => run('sh', ['-c', loop, 'sh', name, ...args], { timeout: 120_000 }));
    for (const worker of all) t.match(await worker, { status: 0, stdout: '', stderr: '' });
    dropping.kill();
    await once(dropping, 'close');
    place.twice(t, (t) => {
      const left = fs.readdirSync(place.path('base/2')).filter((name) => name !== '200');
      t.equal(left.length, 150);
      const wrong = left.filter(
        (name) => fs.readFileSync(place.path(`base/2/${name}`), 'utf8') !== `${name.replace('+', ' ')}\n`,
      );
      t.same(wrong, []);
    });
  });

  t.test('all of it after a remount', async (t) => {
    await mount.unmount();
    const { replyGone, errors } = JSON.parse(fs.readFileSync(join(mount.diff, 'counters.json'), 'utf8'));
    t.same({ replyGone, errors }, { replyGone: 0, errors: 0 }, 'every reply found its request, and no EIO');
    await mount.remount();
    for (const check of afterwards) check(t);
    t.equal(afterwards.length, PLACES - 2, 'checks of nearly every test');
    await mount.unmount();
  });
});
