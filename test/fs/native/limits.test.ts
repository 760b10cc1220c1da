// What the backend fuse-native cannot do: the lines of the table in docs/backends.md that programs meet, and that nothing is lost by it.

import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountCatalog, pbkfs } from '../../support/mount.js';
import { nativeMissing, throughNative } from '../../support/native.js';
import { privateCatalog } from '../../support/private-catalog.js';
import { until } from '../../support/until.js';

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
};

t.test('limits of fuse-native', { skip: nativeMissing }, async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const mount = await mountCatalog(t, { catalog, instance: 'a', backup: 'latest' }, throughNative);
  const at = (name: string): string => join(mount.mountpoint, name);
  const owner = fs.statSync(mount.mountpoint).uid;

  await t.test('a file with several names is read-only, an open one gets no second name', async (t) => {
    fs.writeFileSync(at('one'), 'text');
    const fd = fs.openSync(at('one'), 'r');
    t.equal(
      codeOf(() => fs.linkSync(at('one'), at('two'))),
      'ETXTBSY',
    );
    fs.closeSync(fd);
    await released(() => fs.linkSync(at('one'), at('two')));
    t.equal(
      codeOf(() => fs.appendFileSync(at('two'), 'more')),
      'ETXTBSY',
    );
    t.equal(
      codeOf(() => fs.truncateSync(at('one'), 1)),
      'ETXTBSY',
    );
    t.equal(fs.readFileSync(at('two'), 'utf8'), 'text');
    fs.unlinkSync(at('one'));
    fs.appendFileSync(at('two'), ' more');
    t.equal(fs.readFileSync(at('two'), 'utf8'), 'text more');
  });

  await t.test('a removed file that is open works, is not listed, and keeps its directory', async (t) => {
    fs.mkdirSync(at('dir'));
    fs.writeFileSync(at('dir/open'), 'before');
    const fd = fs.openSync(at('dir/open'), 'r+');
    fs.unlinkSync(at('dir/open'));
    t.strictSame(fs.readdirSync(at('dir')), []);
    fs.writeSync(fd, 'after!', 0);
    t.equal(fs.fstatSync(fd).nlink, 0);
    t.equal(
      codeOf(() => fs.rmdirSync(at('dir'))),
      'ENOTEMPTY',
    );
    const buffer = Buffer.alloc(6);
    fs.readSync(fd, buffer, 0, 6, 0);
    t.equal(buffer.toString(), 'after!');
    fs.closeSync(fd);
    await released(() => fs.rmdirSync(at('dir')));
  });

  await t.test('a rename replaces an open file', async (t) => {
    fs.writeFileSync(at('target'), 'old');
    fs.writeFileSync(at('source'), 'new');
    const fd = fs.openSync(at('target'), 'r');
    fs.renameSync(at('source'), at('target'));
    t.equal(fs.readFileSync(at('target'), 'utf8'), 'new');
    t.equal(fs.readFileSync(fd, 'utf8'), 'old');
    fs.closeSync(fd);
  });

  await t.test('owners, times, names, fallocate, renameat2', async (t) => {
    fs.writeFileSync(at('made'), '');
    t.equal(fs.statSync(at('made')).uid, owner, 'made by root, owned by the owner of the mount');
    fs.utimesSync(at('made'), 1_000_000_000.123456, 1_100_000_000.654321);
    const { atimeMs, mtimeMs } = fs.statSync(at('made'));
    t.strictSame([atimeMs, mtimeMs], [1_000_000_000_123, 1_100_000_000_654], 'milliseconds');
    execFileSync('touch', ['-m', '-d', '2020-01-01', at('made')]);
    t.equal(fs.statSync(at('made')).mtimeMs, 1_100_000_000_654, 'one time alone is not set');
    const bytes = Buffer.concat([Buffer.from(at('/')), Buffer.from([0xff])]);
    t.equal(
      codeOf(() => fs.writeFileSync(bytes, '')),
      'EILSEQ',
    );
    t.equal(
      codeOf(() => fs.writeFileSync(at('.fuse_hidden0123456789abcdef'), '')),
      'EPERM',
    );
    t.match(spawnSync('fallocate', ['-l', '9000', at('made')]).stderr.toString(), /not supported|unsupported/);
    t.match(spawnSync('fallocate', ['-p', '-l', '9000', at('made')]).stderr.toString(), /not supported|unsupported/);
    const renamed = spawnSync('python3', [
      '-c',
      `import ctypes,os,sys;r=ctypes.CDLL(None,use_errno=True).renameat2(-100,b"${at('made')}",-100,b"${at('target')}",2);print(os.strerror(ctypes.get_errno()))`,
    ]);
    if (renamed.error === undefined) t.match(renamed.stdout.toString(), 'Invalid argument');
  });

  await t.test('requests of 128 KiB, O_DIRECT, status files', async (t) => {
    const data = Buffer.alloc(3 << 20, 'abcdefg');
    fs.writeFileSync(at('big'), data);
    t.ok(fs.readFileSync(at('big')).equals(data));
    execFileSync('dd', [`if=${at('big')}`, `of=${at('copy')}`, 'bs=64k', 'iflag=direct', 'oflag=direct'], {
      stdio: 'ignore',
    });
    t.ok(fs.readFileSync(at('copy')).equals(data));
    t.match(JSON.parse(fs.readFileSync(at('.pbkfs/status.json'), 'utf8')), {
      server: { backend: 'fuse-native', protocol: '7.19' },
    });
  });

  await mount.unmount();
  await mount.remount();
  t.equal(fs.readFileSync(at('two'), 'utf8'), 'text more', 'kept over a remount');
  await mount.unmount();
});

t.test('an unknown backend is a usage error', async (t) => {
  const { status, stderr } = await pbkfs(['mount', '-D', '/nowhere', '-d', '/nowhere.diff', '--backend', 'other']);
  t.equal(status, 2);
  t.match(stderr, 'kernel, fuse-native');
});

/** The kernel tells of a close only after close(2) has returned. */
async function released(act: () => void): Promise<void> {
  await until(() => codeOf(act) === undefined, 30_000);
}
