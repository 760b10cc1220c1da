// Taking a session away: its server, which may outlive the program that it was started from, its mount, and only then its files.

import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { acquireDiffLock } from '../../src/mount/diff/lock.js';
import { findServers } from '../../src/mount/orphaned-server.js';
import { cleanUp, findPostmaster } from '../../src/session/clean-up.js';
import { stopSession } from '../../src/session/started.js';
import { mountOn } from '../../src/sys/mountinfo.js';
import { identityOf, isAlive } from '../../src/sys/process-identity.js';
import { smallMount } from '../mount/small-mount.js';
import { mountMissing } from '../support/mount.js';
import { temporaryDirectory } from '../support/swept.js';
import { until } from '../support/until.js';

const PERL = '/usr/bin/perl';

t.test('an upgrade under a server does not hide it', { skip: !existsSync(PERL) && 'no perl' }, async (t) => {
  const directory = temporaryDirectory('pbkfs-clean-up-');
  t.teardown(() => rmSync(directory, { recursive: true }));
  // Perl takes -D and a file, too.
  const [program, dataDir] = [join(directory, 'postgres'), join(directory, 'data')];
  copyFileSync(PERL, program);
  writeFileSync(dataDir, 'sleep 60');
  const server = spawn(program, ['-D', dataDir], { stdio: 'ignore' });
  t.teardown(() => server.kill('SIGKILL'));
  await until(() => findPostmaster(dataDir)?.pid === server.pid);
  await cleanUp({ dataDir, remove: [join(directory, 'pbkfs-pg-another')] });
  t.equal(findPostmaster(dataDir)?.pid, server.pid, 'a server that another session has started there is left alone');
  rmSync(program);
  t.equal(findPostmaster(dataDir)?.pid, server.pid);
  server.kill('SIGKILL');
  await once(server, 'exit');
  t.equal(findPostmaster(dataDir), undefined);
  copyFileSync(PERL, `${program}-to-be`);
  const other = spawn(`${program}-to-be`, ['-D', dataDir], { stdio: 'ignore' });
  t.teardown(() => other.kill('SIGKILL'));
  await until(() => readlinkSync(`/proc/${other.pid}/exe`).endsWith('-to-be'));
  t.equal(findPostmaster(dataDir), undefined, 'another program');
});

/** A directory for the files of a session, and a data directory. */
function place() {
  const base = temporaryDirectory('pbkfs-clean-up-');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const [own, diff, record] = [join(base, 'own'), join(base, 'own/diff'), join(base, 'record')];
  mkdirSync(diff, { recursive: true });
  writeFileSync(record, '{}');
  return { base, own, diff, record };
}

t.test(
  'a server that does not stop is killed, and so are its processes',
  { skip: !existsSync(PERL) && 'no perl' },
  async (t) => {
    const { base, own, record } = place();
    const [program, dataDir] = [join(base, 'postgres'), join(base, 'data')];
    copyFileSync(PERL, program);
    const fork = 'my $child = fork(); print "$child\n" if $child';
    // One of them is started in the middle of the shutdown.
    writeFileSync(dataDir, `$| = 1; $SIG{QUIT} = sub { ${fork} }; ${fork}; sleep 60 while 1`);
    const options = ['-D', dataDir, '-c', `config_file=${own}/postgresql.conf`];
    const server = spawn(program, options, { stdio: ['ignore', 'pipe', 'ignore'] });
    t.teardown(() => server.kill('SIGKILL'));
    const identities = [identityOf(server.pid!)!];
    server.stdout.on('data', (pid) => identities.push(identityOf(Number(pid))!));
    await until(() => identities.length === 2);
    await cleanUp({ dataDir, remove: [own], record });
    t.strictSame(identities.map(isAlive), [false, false, false]);
    t.notOk(existsSync(own) || existsSync(record));
  },
);

t.test('its mount is unmounted, and its files go when the diff is free', { skip: mountMissing }, async (t) => {
  const { own, record } = place();
  const mount = await smallMount(t);
  await cleanUp({ mountpoint: mount.mountpoint, diff: mount.diff, remove: [own], record });
  t.notOk(mount.mounted);
  t.equal(mount.state().state, 'clean');
  t.notOk(existsSync(own) || existsSync(record));
});

t.test('a process that works on the diff is waited for', async (t) => {
  const { own, diff, record } = place();
  const lock = acquireDiffLock(diff, '/proc');
  let ended = false;
  const cleaned = cleanUp({ diff, remove: [own], record }).then(() => {
    ended = true;
  });
  await sleep(300);
  t.notOk(ended);
  t.ok(existsSync(diff) && existsSync(record));
  lock.release();
  await cleaned;
  t.notOk(existsSync(own) || existsSync(record));
});

t.test('one that goes on without a mount is killed some time later, where nobody wants its diff', async (t) => {
  const holding = async (diff: string) => {
    const holder = fork(fileURLToPath(new URL('../mount/fake/lock-holder.js', import.meta.url)), [diff]);
    t.teardown(() => holder.kill('SIGKILL'));
    await once(holder, 'message');
    return { holder, mount: identityOf(holder.pid!)! };
  };
  const [thrown, kept] = [place(), place()];
  const [one, other] = [await holding(thrown.diff), await holding(kept.diff)];
  const begun = performance.now();
  const cleaned = cleanUp({ diff: kept.diff, mount: other.mount, remove: [], record: kept.record });
  await cleanUp({ diff: thrown.diff, mount: one.mount, remove: [thrown.own], record: thrown.record });
  t.ok(performance.now() - begun > 5000, 'it may have been about to end');
  t.equal(one.holder.signalCode ?? (await once(one.holder, 'exit'))[1], 'SIGKILL');
  t.notOk(existsSync(thrown.own) || existsSync(thrown.record));
  await sleep(1000);
  t.equal(other.holder.signalCode, null, 'one whose diff is kept is waited for');
  t.ok(isAlive(other.mount) && existsSync(kept.record));
  other.holder.kill('SIGKILL');
  await cleaned;
  t.ok(existsSync(kept.diff));
  t.notOk(existsSync(kept.record));
});

t.test(
  'a server that waits for a mount and cannot be killed is named, or freed with a mount whose diff is thrown away',
  { skip: mountMissing || (!existsSync(PERL) && 'no perl') },
  async (t) => {
    const { base, own, record } = place();
    const [program, dataDir] = [join(base, 'postgres'), join(base, 'data')];
    copyFileSync(PERL, program);
    const mount = await smallMount(t);
    // Longer than the test: the kernel lets nobody off who waits for an answer of a mount that has the request.
    mount.fault('slow-sync', `${mount.diff}/objects\n60000`);
    writeFileSync(
      dataDir,
      `use IO::Handle; $| = 1; open(my $f, '>', '${mount.path('waiting')}'); print "runs"; syswrite($f, 'x'); $f->sync`,
    );
    const options = ['-D', dataDir, '-c', `config_file=${own}/postgresql.conf`];
    const server = spawn(program, options, { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(server.stdout, 'data');
    const identity = identityOf(server.pid!)!;
    // What the mount has not taken yet may be given up.
    await sleep(300);
    const patience = { all: 0, shutdown: 50, killed: 200 };
    const kept = { dataDir, diff: mount.diff, mount: mount.process(), remove: [own], record };
    await t.rejects(cleanUp(kept, patience), {
      code: 'mount_busy',
      message: new RegExp(`process ${server.pid}; left behind: ${own}`),
      hint: /cleanup --sessions/,
    });
    t.ok(existsSync(own) && existsSync(record), 'so that it can be taken away later');
    // What was killed would have ended by then.
    await sleep(300);
    t.ok(isAlive(identity) && isAlive(kept.mount), 'a mount whose diff is wanted is not killed for that');
    const { mountpoint, diff } = mount;
    const all = { ...kept, mountpoint, remove: [own, diff] };
    await cleanUp(all, { ...patience, all: 10_000 });
    t.notOk(isAlive(identity) || mount.mounted || existsSync(own) || existsSync(diff));
  },
);

const aloneOnThisPath = "a server on a directory that is no mount of ours, or a container's, is not stopped";
t.test(aloneOnThisPath, { skip: !existsSync(PERL) && 'no perl' }, async (t) => {
  const { base } = place();
  const [program, dataDir] = [join(base, 'postgres'), join(base, 'data')];
  copyFileSync(PERL, program);
  writeFileSync(dataDir, '$| = 1; print "runs"; sleep 60');
  const server = spawn(program, ['-D', dataDir], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => server.kill('SIGKILL'));
  await once(server.stdout, 'data');
  rmSync(dataDir);
  mkdirSync(dataDir);
  const request = { now: false, timeout: 2000, waiting: () => undefined };
  await t.rejects(stopSession(dataDir, request), { code: 'not_mounted' });
  t.equal(findPostmaster(dataDir)?.pid, server.pid);
});

t.test(
  'a server on a mount is found in a mount namespace of its own, too',
  { skip: mountMissing || (!existsSync(PERL) && 'no perl') || (process.getuid?.() !== 0 && 'needs root') },
  async (t) => {
    const { base } = place();
    const program = join(base, 'postgres');
    copyFileSync(PERL, program);
    const { mountpoint } = await smallMount(t);
    const run = ['--mount', '--propagation', 'slave', program, '-e', '$| = 1; print "runs"; sleep 60'];
    const server = spawn('unshare', run, { cwd: mountpoint, stdio: ['ignore', 'pipe', 'ignore'] });
    await once(server.stdout, 'data');
    const found = findServers(mountOn(mountpoint)!).map(({ pid }) => pid);
    server.kill('SIGKILL');
    await once(server, 'exit');
    t.strictSame(found, [server.pid], 'no second one may be started beside it');
  },
);
