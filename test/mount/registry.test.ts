import { spawnSync } from 'node:child_process';
import fs, { mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  BASELINE,
  companionFiles,
  findRegistered,
  listRegistered,
  register,
  unregister,
} from '../../src/mount/registry.js';
import { selfIdentity } from '../../src/sys/process-identity.js';
import { temporaryDirectory } from '../support/swept.js';

const entry = {
  pid: 1,
  startTime: 2,
  bootId: 'b',
  mountpoint: `/mnt/${'длинный путь/'.repeat(50)}`,
  diff: '/diff',
  catalog: '/backup',
  instance: 'main',
  backupId: 'TOU5PO',
};

function places(t: Test): string[] {
  const base = temporaryDirectory('pbkfs-registry-');
  t.teardown(() => rmSync(base, { recursive: true }));
  return [join(base, 'state', 'pbkfs'), join(base, 'pbkfs')];
}

t.test('entries-are-private-found-by-mount-point-and-removed-by-their-owner', async (t) => {
  const directories = places(t);
  const [directory] = directories;
  t.equal(findRegistered(entry.mountpoint, directories), undefined);
  register(entry, directories);
  const [name] = readdirSync(directory);
  t.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
  t.equal(statSync(directory).mode & 0o777, 0o700);
  t.strictSame(findRegistered(entry.mountpoint, directories), entry);
  unregister(entry.mountpoint, { ...entry, pid: 9 }, directories);
  t.strictSame(findRegistered(entry.mountpoint, directories), entry, 'a newer mount is not removed by an older one');
  unregister(entry.mountpoint, entry, directories);
  t.strictSame(readdirSync(directory), []);
  writeFileSync(join(directory, name), '{"pid":');
  t.equal(findRegistered(entry.mountpoint, directories), undefined, 'a torn entry is none');
});

t.test('the next place serves where the first cannot be written, and both are looked at', async (t) => {
  const [first, second] = places(t);
  mkdirSync(join(first, '..'));
  writeFileSync(first, 'in the way');
  register(entry, [first, second]);
  t.strictSame(findRegistered(entry.mountpoint, [first, second]), entry);
  t.throws(() => register(entry, [first]));
  rmSync(first);
  const living = { ...entry, ...selfIdentity() };
  register(living, [first, second]);
  t.strictSame(findRegistered(entry.mountpoint, [second, first]), living, 'an entry whose process lives comes first');
});

t.test('listing drops what nothing stands behind any more', async (t) => {
  const directories = places(t);
  register(entry, directories);
  const living = { ...entry, ...selfIdentity(), mountpoint: '/mnt/with blank' };
  register(living, directories);
  writeFileSync(join(directories[0], 'other.json'), JSON.stringify(entry));
  t.strictSame(listRegistered(directories), [living]);
  t.strictSame(readdirSync(directories[0]).length, 2, 'a file that is no entry is left alone');
  t.equal(findRegistered(entry.mountpoint, directories), undefined);
});

t.test('a mount that registers while an older entry is being removed keeps its own', async (t) => {
  const directories = places(t);
  const living = { ...entry, ...selfIdentity() };
  const baseline = (): string[] => readdirSync(directories[0]!).filter((name) => name.endsWith(BASELINE));
  for (const removal of [() => unregister(entry.mountpoint, entry, directories), () => listRegistered(directories)]) {
    register(entry, directories);
    const [name] = readdirSync(directories[0]!);
    writeFileSync(join(directories[0]!, name!.replace('json', BASELINE)), '{}');
    const { readFileSync } = fs;
    fs.readFileSync = ((...args: Parameters<typeof readFileSync>) => {
      if (!String(args[0]).endsWith('.json')) return readFileSync(...args);
      fs.readFileSync = readFileSync;
      syncBuiltinESMExports();
      const read = readFileSync(...args);
      register(living, directories);
      return read;
    }) as typeof readFileSync;
    syncBuiltinESMExports();
    removal();
    t.strictSame(findRegistered(entry.mountpoint, directories), living);
    t.equal(baseline().length, 1);
    unregister(living.mountpoint, living, directories);
    t.strictSame(readdirSync(directories[0]!), []);
  }
});

t.test('what was kept beside an entry is found in whichever place it is', async (t) => {
  const directories = places(t);
  t.strictSame(companionFiles(entry.mountpoint, 'server', directories), []);
  for (const directory of directories) {
    register(entry, [directory]);
    const [name] = readdirSync(directory);
    writeFileSync(join(directory, name.replace('json', 'server')), '{}');
  }
  const found = companionFiles(entry.mountpoint, 'server', directories);
  t.strictSame(
    found.map((file) => join(file, '..')),
    directories,
  );
});

t.test('root has a place too where /run cannot be written', { skip: process.getuid?.() !== 0 && 'needs root' }, (t) => {
  const module = new URL('../../src/mount/registry.js', import.meta.url).href;
  const script = `mount -t tmpfs -o ro none /run && mount -t tmpfs none /tmp && exec "$0" -e 'import(process.argv[1]).then(({ writableDirectory }) =>
    process.stdout.write(writableDirectory() ?? "none"))' "$1"`;
  const { stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script, process.execPath, module], {
    env: { PATH: process.env.PATH },
  });
  t.equal(stdout.toString(), '/tmp/pbkfs-0', stderr.toString());
  t.end();
});

t.test('a place that cannot even be looked at is passed over, as XDG_RUNTIME_DIR of another user is', async (t) => {
  const [place, other] = places(t);
  const loop = join(other!, 'loop');
  mkdirSync(other!, { mode: 0o700 });
  symlinkSync('loop', loop);
  const directories = [join(loop, 'pbkfs'), place!];
  t.strictSame(listRegistered(directories), []);
  register(entry, directories);
  t.strictSame(findRegistered(entry.mountpoint, directories), entry);
  unregister(entry.mountpoint, entry, directories);
  t.equal(findRegistered(entry.mountpoint, directories), undefined);
});
