// What `pbkfs stop` goes by: the record that belongs to the mount which is there.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { keep, register } from '../../src/mount/registry.js';
import { stopSession } from '../../src/session/started.js';
import { type ProcessIdentity, selfIdentity } from '../../src/sys/process-identity.js';

const self = selfIdentity();
const request = { now: false, timeout: 1000, waiting: () => undefined };

/** Two places for records, as two environments have them, and a mount of this process. */
function place(t: Test) {
  const base = t.testdir({ mount: {}, one: { pbkfs: {} }, two: { pbkfs: {} } });
  const before = { ...process.env };
  t.teardown(() => {
    process.env = before;
  });
  process.env.XDG_STATE_HOME = join(base, 'one');
  process.env.XDG_RUNTIME_DIR = join(base, 'two');
  const [first, second] = ['one', 'two'].map((name) => join(base, name, 'pbkfs')) as [string, string];
  const mountpoint = join(base, 'mount');
  register({ ...self, mountpoint, diff: '/diff', catalog: '/b', instance: 'a', backupId: 'b', mountedAt: 1 }, [first]);
  const record = (directory: string, name: string, mount: ProcessIdentity): string => {
    const own = join(base, name);
    mkdirSync(own);
    writeFileSync(join(own, 'postgresql.conf'), '');
    keep(mountpoint, 'server', { mounted: false, remove: [own], mount }, [directory]);
    return own;
  };
  return { mountpoint, first, second, record };
}

t.test('of several records that of the mount counts', async (t) => {
  const { mountpoint, first, second, record } = place(t);
  const stale = record(first, 'stale', { ...self, startTime: 1 });
  const own = record(second, 'own', self);
  t.strictSame(await stopSession(mountpoint, request), {
    ...{ mountpoint, server: false, unmounted: false, mounted: false, removed: [own] },
  });
  t.notOk(existsSync(own));
  t.ok(existsSync(stale));
  await t.rejects(stopSession(mountpoint, request), { code: 'not_mounted', message: /no server was started by pbkfs/ });
});
