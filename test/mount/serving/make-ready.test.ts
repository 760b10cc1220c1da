// What is written through a mount before it counts as ready: durable before that is on record, and never into the directory
// below.

import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { MountRequest } from '../../../src/mount/request.js';
import { makeReady } from '../../../src/mount/serving/make-ready.js';
import type { PreparedMount } from '../../../src/mount/serving/prepare.js';
import type { RecoveryConfig } from '../../../src/postgres/recovery-config.js';
import { MS_NODEV, mount, umount2 } from '../../../src/sys/libc.js';
import { openFilesOf } from '../../support/open-files.js';
import { temporaryDirectory } from '../../support/swept.js';

const root = process.getuid?.() === 0;
const RECOVERY: RecoveryConfig = { target: { kind: 'immediate' }, timeline: 'current', action: 'pause' };

/** A mount whose preparations are all this test; what happens to it is written down. */
function prepared(t: Test) {
  const base = temporaryDirectory('pbkfs-ready-');
  t.teardown(() => rmSync(base, { recursive: true }));
  const mountpoint = join(base, 'mount');
  mkdirSync(mountpoint);
  const events: string[] = [];
  const owner = { uid: process.getuid!(), gid: process.getgid!() };
  const of = {
    ...{ paths: { mountpoint, owner }, chain: { target: { id: 'TOU5PO', serverVersion: '15' } } },
    claim: { madeReady: () => void events.push('on record') },
  } as unknown as PreparedMount;
  return { mountpoint, events, ready: (recovery?: RecoveryConfig) => makeReady({} as MountRequest, of, recovery) };
}

/** Has `synced` look at every file before it is synced. */
async function watchSyncs(t: Test, synced: (path: string) => void): Promise<void> {
  const some = await open('/');
  const handles = Object.getPrototypeOf(some) as { sync: FileHandle['sync'] };
  await some.close();
  const { sync } = handles;
  t.teardown(() => Object.assign(handles, { sync }));
  handles.sync = async function (this: FileHandle) {
    synced(readlinkSync(`/proc/self/fd/${this.fd}`));
    // Long enough for whoever does not wait for it.
    await sleep(50);
    return sync.call(this);
  };
}

t.test('settings are durable before they are on record', { skip: root ? false : 'needs root to mount' }, async (t) => {
  const { mountpoint, events, ready } = prepared(t);
  mount('pbkfs-test', mountpoint, 'tmpfs', MS_NODEV, 'size=64k');
  t.teardown(() => umount2(mountpoint));
  await watchSyncs(t, (path) => {
    t.throws(() => umount2(mountpoint), { code: 'EBUSY' }, 'who unmounts it meanwhile waits');
    events.push(path === mountpoint ? `names: ${readdirSync(path).sort().join(' ')}` : path.slice(mountpoint.length));
  });
  await ready(RECOVERY);
  t.strictSame(events, [
    '/postgresql.auto.conf.pbkfs-part',
    '/recovery.signal.pbkfs-part',
    'names: postgresql.auto.conf recovery.signal',
    'on record',
  ]);
  t.match(readFileSync(`${mountpoint}/postgresql.auto.conf`, 'utf8'), /^recovery_target = 'immediate'$/m);
  t.notOk(openFilesOf('self').includes(mountpoint));
});

t.test('what is not mounted any more gets nothing', async (t) => {
  const { mountpoint, events, ready } = prepared(t);
  await t.rejects(ready(RECOVERY), { code: 'mount_failed', message: /was stopped before it was ready$/ });
  t.strictSame([readdirSync(mountpoint), events], [[], []]);
  t.notOk(openFilesOf('self').includes(mountpoint));
});

t.test('where there is nothing to write it is ready', async (t) => {
  const { mountpoint, events, ready } = prepared(t);
  await ready();
  t.strictSame([readdirSync(mountpoint), events], [[], ['on record']]);
});
