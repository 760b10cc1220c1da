// What of a mount's log belongs to a failure.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { PbkfsError } from '../../src/errors.js';
import { register } from '../../src/mount/registry.js';
import { refusedReads, withRefusedReads } from '../../src/session/refused-reads.js';
import { selfIdentity } from '../../src/sys/process-identity.js';

const LOG = `2026-11-23T18:08:00.000Z ERROR READ of inode row 1: backup OLD, file 1: it is listed but missing hint="choose another"
2026-11-23T18:08:12.000Z INFO activity seconds=900 requests=48210
2026-11-23T18:08:12.409Z ERROR backup NEW was changed under the mount: its backup.control is gone backup=NEW consequence="EIO"
2026-11-23T18:08:12.461Z ERROR READ of inode row 4: backup NEW, file 1259: it is listed but missing hint="the backup is damaged: run \\"x\\""
2026-11-23T18:08:12.462Z ERROR READ of inode row 5: backup NEW, file 1259: it is listed but missing hint="the backup is damaged"
2026-11-23T18:08:12.463Z ERROR third
2026-11-23T18:08:12.464Z ERROR fourth
`;
const since = Date.parse('2026-11-23T18:08:10Z');
const SAID = [
  'backup NEW was changed under the mount: its backup.control is gone',
  'backup NEW, file 1259: it is listed but missing',
  'third',
];

/** A registered mount of this process with that log. */
function mounted(t: Test): string {
  const base = t.testdir({ state: {}, log: LOG });
  const before = process.env.XDG_STATE_HOME;
  process.env.XDG_STATE_HOME = join(base, 'state');
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_STATE_HOME;
    else process.env.XDG_STATE_HOME = before;
  });
  const mountpoint = join(base, 'mount');
  mkdirSync(mountpoint);
  const [logFile, catalog] = [join(base, 'log'), join(base, 'catalog')];
  register({ ...selfIdentity(), mountpoint, logFile, catalog, instance: 'main', backupId: 'NEW', mountedAt: since });
  return mountpoint;
}

t.test('errors since then, each once, without what only a log needs', async (t) => {
  const mountpoint = mounted(t);
  t.strictSame(refusedReads(mountpoint, since), SAID);
  t.strictSame(refusedReads(mountpoint, Date.parse('2026-11-24T00:00:00Z')), []);
  t.strictSame(refusedReads(undefined, since), []);
  t.strictSame(refusedReads('/nowhere', since), []);
  writeFileSync(join(mountpoint, '../log'), '');
  t.strictSame(refusedReads(mountpoint, since), []);
});

t.test('a log that cannot be read explains nothing, and hides nothing', async (t) => {
  const mountpoint = mounted(t);
  const log = join(mountpoint, '../log');
  rmSync(log);
  // As of `mount --log-file /dev/stderr`, or a pipe.
  mkdirSync(log);
  t.strictSame(refusedReads(mountpoint, since), []);
  const error = new Error('EIO: i/o error, read');
  t.equal(withRefusedReads(error, mountpoint, since), error);
});

t.test('only an I/O error is explained by them', async (t) => {
  const mountpoint = mounted(t);
  const message = `the mount has refused to read what is damaged or gone: ${SAID.join('; ')}`;
  const server = new PbkfsError('server_failed', 'it did not start', { hint: 'FATAL: ...: Input/output error' });
  t.match(withRefusedReads(server, mountpoint, since), {
    code: 'server_failed',
    message,
    hint: /^"pbkfs validate" .*\nwhat failed by it: it did not start\nFATAL: \.\.\.: Input\/output error$/,
  });
  const plain = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
  t.match(withRefusedReads(plain, mountpoint, since), { message, hint: /what failed by it: EIO: i\/o error, read$/ });
  for (const other of [new Error('EACCES: read'), new PbkfsError('usage', 'no such option'), 'thrown'])
    t.equal(withRefusedReads(other, mountpoint, since), other);
  t.equal(withRefusedReads(plain, '/nowhere', since), plain, 'of which nobody knows more');
});
