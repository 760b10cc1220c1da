import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { findRegistered, register, unregister } from '../../src/mount/registry.js';

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

t.test('entries-are-private-found-by-mount-point-and-removed-by-their-owner', async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'pbkfs-registry-'));
  t.teardown(() => rmSync(base, { recursive: true }));
  const directory = join(base, 'pbkfs');
  t.equal(findRegistered(entry.mountpoint, directory), undefined);
  register(entry, directory);
  const [name] = readdirSync(directory);
  t.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
  t.equal(statSync(directory).mode & 0o777, 0o700);
  t.strictSame(findRegistered(entry.mountpoint, directory), entry);
  unregister(entry.mountpoint, { ...entry, pid: 9 }, directory);
  t.strictSame(findRegistered(entry.mountpoint, directory), entry, 'a newer mount is not removed by an older one');
  unregister(entry.mountpoint, entry, directory);
  t.strictSame(readdirSync(directory), []);
  writeFileSync(join(directory, name), '{"pid":');
  t.equal(findRegistered(entry.mountpoint, directory), undefined, 'a torn entry is none');
});
