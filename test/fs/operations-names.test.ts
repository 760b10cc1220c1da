// Operations on names and attributes whose rules random sequences of calls do not reach, in files of the backup and in new ones, also
// after a remount.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { matchWhole } from '../support/match-whole.js';
import { mountMissing } from '../support/mount.js';
import { postgres15 } from '../support/postgres.js';
import { run } from '../support/run.js';
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT, renameat2, utimens } from '../support/system-calls.js';
import { BASE, BLOCK, base, Places } from './places.js';

t.test('operations on names and attributes', { skip: mountMissing }, async (t) => {
  const places = await Places.mounted(t);
  const { mount } = places;

  t.test('both times, to the nanosecond, each without the other (trap 23)', async (t) => {
    const place = places.take();
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
    const place = places.take();
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
    const place = places.take();
    for (const name of BASE) {
      const [old, fresh] = [place.path(name), place.path(`${name}.recycled`)];
      fs.linkSync(old, fresh);
      matchWhole(t, [fs.statSync(old), fs.statSync(fresh)], [{ nlink: 2 }, { nlink: 2, ino: fs.statSync(old).ino }]);
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
    const place = places.take();
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
    const place = places.take();
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

  t.test('the kernel keeps to modes, owners, sticky and set-id bits', async (t) => {
    const place = places.take();
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
    const place = places.take();
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

  t.test('all of it after a remount', (t) => places.again(t, 7));
});
