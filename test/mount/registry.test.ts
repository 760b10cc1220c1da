import { spawnSync } from 'node:child_process';
import fs, { chmodSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import {
  BASELINE,
  companionFiles,
  findRegistered,
  listRegistered,
  privateDirectories,
  register,
  unregister,
  writableDirectory,
} from '../../src/mount/registry.js';
import { MS_NODEV, mount, umount2 } from '../../src/sys/libc.js';
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
  unregister(entry.mountpoint, entry, directories);
  t.strictSame(readdirSync(directory), [], 'and goes as well');
  for (const part of [{ pid: '1' }, { mountpoint: undefined }, { diff: 1 }]) {
    writeFileSync(join(directory, name), JSON.stringify({ ...entry, ...part }));
    t.equal(findRegistered(entry.mountpoint, directories), undefined, `${Object.keys(part)} is none either`);
  }
});

t.test('the next place serves where the first cannot be written, and both are looked at', async (t) => {
  const [first, second] = places(t);
  mkdirSync(join(first, '..'));
  writeFileSync(first, 'in the way');
  register(entry, [first, second]);
  t.strictSame(findRegistered(entry.mountpoint, [first, second]), entry);
  t.throws(() => register(entry, [first, '/proc/no']), { code: 'EEXIST' }, 'why not in the first place is told');
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
  const unregistered = (): void => unregister(entry.mountpoint, entry, directories);
  for (const [removal, torn] of [
    [unregistered, false],
    [unregistered, true],
    [() => listRegistered(directories), false],
  ] as const) {
    register(entry, directories);
    const [name] = readdirSync(directories[0]!);
    writeFileSync(join(directories[0]!, name!.replace('json', BASELINE)), '{}');
    if (torn) writeFileSync(join(directories[0]!, name!), '{"pid":');
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

t.test('a mount that registers while another one is being put back keeps its own, too', async (t) => {
  const directories = places(t);
  const living = { ...entry, ...selfIdentity() };
  const newest = { ...living, backupId: 'TOU5P9' };
  const { readFileSync, linkSync } = fs;
  register(entry, directories);
  Object.assign(fs, {
    readFileSync: (...args: Parameters<typeof readFileSync>) => {
      fs.readFileSync = readFileSync;
      syncBuiltinESMExports();
      const read = readFileSync(...args);
      register(living, directories);
      return read;
    },
    linkSync: (...args: Parameters<typeof linkSync>) => {
      register(newest, directories);
      linkSync(...args);
    },
  });
  t.teardown(() => {
    Object.assign(fs, { readFileSync, linkSync });
    syncBuiltinESMExports();
  });
  syncBuiltinESMExports();
  unregister(entry.mountpoint, entry, directories);
  t.strictSame(findRegistered(entry.mountpoint, directories), newest);
  t.equal(readdirSync(directories[0]!).length, 1);
});

t.test('what somebody else may write to is neither believed nor changed', async (t) => {
  const [open, own] = places(t) as [string, string];
  register(entry, [open]);
  const [name] = readdirSync(open);
  writeFileSync(join(open, name!.replace('json', 'server')), '{}');
  chmodSync(open, 0o777);
  t.equal(findRegistered(entry.mountpoint, [open]), undefined);
  t.strictSame(listRegistered([open]), []);
  t.strictSame(companionFiles(entry.mountpoint, 'server', [open]), []);
  unregister(entry.mountpoint, entry, [open]);
  t.equal(readdirSync(open).length, 2);
  t.throws(() => register(entry, [open]), { message: `${open} belongs to somebody else` });
  const living = { ...entry, ...selfIdentity() };
  register(living, [open, own]);
  t.strictSame(findRegistered(entry.mountpoint, [open, own]), living);
});

t.test('places that the environment names', async (t) => {
  const [state, runtime] = places(t) as [string, string];
  for (const place of [state, runtime]) mkdirSync(place, { recursive: true, mode: 0o700 });
  const { XDG_STATE_HOME, XDG_RUNTIME_DIR } = process.env;
  t.teardown(() => {
    for (const [name, value] of Object.entries({ XDG_STATE_HOME, XDG_RUNTIME_DIR })) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  process.env.XDG_STATE_HOME = join(state, '..');
  process.env.XDG_RUNTIME_DIR = join(runtime, '..');
  const found = privateDirectories();
  t.equal(found[0], state);
  t.ok(found.includes(runtime));
  t.equal(writableDirectory(), state);
  chmodSync(state, 0o777);
  t.not(writableDirectory(), state, 'somebody else may write there');
  if (process.getuid?.() === 0) t.equal(writableDirectory(), '/run/pbkfs');
  chmodSync(state, 0o700);
  process.env.XDG_STATE_HOME = relative(process.cwd(), join(state, '..'));
  process.env.XDG_RUNTIME_DIR = relative(process.cwd(), join(runtime, '..'));
  t.strictSame(
    privateDirectories().filter((path) => !path.startsWith('/')),
    [],
    'a relative path means nothing',
  );
});

t.test(
  'an entry goes when another file system lies on its directory',
  { skip: process.getuid?.() !== 0 && 'needs root' },
  async (t) => {
    const directories = places(t);
    const mountpoint = join(directories[0]!, '../mount');
    mkdirSync(mountpoint, { recursive: true });
    mount('pbkfs-test', mountpoint, 'tmpfs', MS_NODEV, 'size=64k');
    t.teardown(() => umount2(mountpoint));
    register({ ...entry, mountpoint }, directories);
    t.strictSame(listRegistered(directories), []);
    t.strictSame(readdirSync(directories[0]!), []);
  },
);

t.test('what was kept beside an entry is found in whichever place it is', async (t) => {
  const directories = places(t);
  t.strictSame(companionFiles(entry.mountpoint, 'server', directories), []);
  for (const directory of directories) {
    register(entry, [directory]);
    t.strictSame(companionFiles(entry.mountpoint, 'server', [directory]), []);
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
  const ownRun = 'mount -t tmpfs -o size=64k none /run && mkdir -m 700 /run/pbkfs';
  const namespaced = (script: string): string => {
    const { stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script, process.execPath, module], {
      env: { PATH: process.env.PATH },
    });
    return `${stdout}${stderr}`;
  };
  for (const run of ['mount -t tmpfs -o ro none /run', `${ownRun} && mount -o remount,ro /run`]) {
    const script = `${run} && mount -t tmpfs none /tmp && exec "$0" -e 'import(process.argv[1]).then(({ writableDirectory }) =>
      process.stdout.write(writableDirectory() ?? "none"))' "$1"`;
    t.equal(namespaced(script), '/tmp/pbkfs-0', run);
  }
  const script = `${ownRun} && mount -t tmpfs none /tmp && dd if=/dev/zero of=/run/full bs=4k 2>/dev/null; exec "$0" -e 'import(process.argv[1]).then(
    ({ keep, companionFiles }) => (keep("/mnt", "server", {}), process.stdout.write(companionFiles("/mnt", "server").join())))' "$1"`;
  t.match(namespaced(script), /^\/tmp\/pbkfs-0\/\w+\.server$/, 'full');
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
