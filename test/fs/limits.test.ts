// What lies at the edges: positions beyond 4 GiB and beyond 2^53, names of 255 bytes, names outside of UTF-8.

import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountCatalog, mountMissing } from '../support/mount.js';
import { postgres15 } from '../support/postgres.js';
import { privateCatalog } from '../support/private-catalog.js';

const GiB = 2 ** 30;

t.test('limits', { skip: mountMissing }, async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const mount = await mountCatalog(t, { catalog, instance: 'a', backup: 'latest' });
  const { mountpoint } = mount;
  const paths = { 'a file of the backup': join(mountpoint, 'PG_VERSION'), 'a new file': join(mountpoint, 'new') };

  for (const [what, path] of Object.entries(paths)) {
    t.test(`a write that no position can express is refused and changes nothing: ${what}`, async (t) => {
      fs.writeFileSync(path, 'original');
      // Node's own calls stop at 2^53; the kernel passes on what dd asks for.
      const seek = (2n ** 60n).toString();
      const dd = spawnSync('dd', [
        'if=/proc/self/exe',
        `of=${path}`,
        'bs=1',
        `seek=${seek}`,
        'count=1',
        'conv=notrunc',
      ]);
      t.not(dd.status, 0);
      t.match(dd.stderr.toString(), /File too large/);
      const truncate = spawnSync('truncate', ['-s', seek, path]);
      t.match(truncate.stderr.toString(), /File too large/);
      await mount.unmount();
      await mount.remount();
      t.equal(fs.readFileSync(path, 'latin1'), 'original');
    });

    t.test(`data beyond 4 GiB is where it was written: ${what}`, async (t) => {
      const fd = fs.openSync(path, 'r+');
      const positions = [4 * GiB - 3, 4 * GiB + 8191, 9 * GiB + 1];
      for (const position of positions) fs.writeSync(fd, `at ${position}`, position);
      fs.closeSync(fd);
      await mount.unmount();
      await mount.remount();
      const again = fs.openSync(path, 'r');
      const read = (position: number, length: number): string => {
        const buffer = Buffer.alloc(length);
        return buffer.toString('latin1', 0, fs.readSync(again, buffer, 0, length, position));
      };
      for (const position of positions) t.equal(read(position, `at ${position}`.length), `at ${position}`);
      t.equal(read(0, 10), 'original\0\0');
      t.equal(read(5 * GiB, 4), '\0\0\0\0', 'the gap reads as zeros');
      t.equal(fs.fstatSync(again).size, 9 * GiB + 1 + `at ${9 * GiB + 1}`.length);
      fs.closeSync(again);
      fs.truncateSync(path, 3);
      t.equal(fs.readFileSync(path, 'latin1'), 'ori');
    });

    t.test(`fallocate reserves what was asked for and no gap before it: ${what}`, async (t) => {
      fs.truncateSync(path, 3);
      const diffBlocks = (): number => Number(execFileSync('du', ['-sk', mount.diff]).toString().split('\t')[0]);
      const before = diffBlocks();
      execFileSync('fallocate', ['-o', String(64 * GiB), '-l', '65536', path]);
      t.equal(fs.statSync(path).size, 64 * GiB + 65536);
      t.ok(diffBlocks() - before < 2048, 'the gap takes no space');
      execFileSync('fallocate', ['-p', '-o', '1', '-l', String(GiB), path]);
      t.equal(fs.statSync(path).size, 64 * GiB + 65536);
      t.equal(execFileSync('head', ['-c', '3', path]).toString('latin1'), 'o\0\0');
      t.ok(diffBlocks() - before < 2048, 'nor does a hole in it');
      fs.truncateSync(path, 3);
    });
  }

  t.test('names of 255 bytes and names that are not UTF-8 work in every role', async (t) => {
    const directory = Buffer.from(`${mountpoint}/d\xe4\xff`, 'latin1');
    const at = (name: Buffer): Buffer => Buffer.concat([directory, Buffer.from('/'), name]);
    const longest = Buffer.alloc(255, 0xfe);
    fs.mkdirSync(directory);
    fs.writeFileSync(at(longest), 'content');
    fs.symlinkSync(longest, at(Buffer.from('link')));
    fs.linkSync(at(longest), at(Buffer.from([0x80])));
    fs.renameSync(at(Buffer.from([0x80])), at(Buffer.from([0xc3])));
    const check = (): void => {
      t.equal(fs.readFileSync(at(Buffer.from('link')), 'latin1'), 'content', 'through the link');
      const names = fs.readdirSync(directory, 'buffer').map((name) => name.toString('hex'));
      t.same(names.sort(), [Buffer.from('link'), Buffer.from([0xc3]), longest].map((n) => n.toString('hex')).sort());
      t.equal(fs.lstatSync(at(longest)).nlink, 2);
      t.throws(() => fs.writeFileSync(at(Buffer.alloc(256, 97)), ''), { code: 'ENAMETOOLONG' });
      t.throws(() => fs.mkdirSync(at(Buffer.alloc(256, 97))), { code: 'ENAMETOOLONG' });
      t.throws(() => fs.renameSync(at(longest), at(Buffer.alloc(256, 97))), { code: 'ENAMETOOLONG' });
    };
    check();
    await mount.unmount();
    await mount.remount();
    check();
  });

  t.test('writing by somebody unprivileged takes the set-id bits away, as does fallocate', async (t) => {
    const path = join(mountpoint, 'setid');
    const { user } = postgres15();
    const asNobody = (command: string): void => {
      execFileSync('sh', ['-c', command], { uid: user.uid, gid: user.gid, cwd: '/' });
    };
    for (const [what, command] of [
      ['write', `echo x >> ${path}`],
      ['O_DIRECT write', `dd if=/dev/zero of=${path} bs=4096 count=1 oflag=direct conv=notrunc status=none`],
      ['truncate', `truncate -s 2 ${path}`],
      ['fallocate', `fallocate -l 100000 ${path}`],
    ] as const) {
      fs.writeFileSync(path, 'content');
      fs.chmodSync(path, 0o6777);
      asNobody(command);
      // stat(1) asks for the mode alone, which the kernel believes to know; Node asks for everything, so that the server is asked.
      t.equal(
        execFileSync('stat', ['-c', '%a', path], { encoding: 'utf8' }).trim(),
        '777',
        `${what}: what the kernel shows`,
      );
      t.equal(fs.statSync(path).mode & 0o7777, 0o777, what);
    }
  });
});
