// A whole chain locked by the process that holds the locks: under whose name, for how long, and where it cannot.

import { execFileSync, spawn } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { type Chain, openCatalog, resolveChain } from '../../../src/backup/index.js';
import { type ChainLock, lockChain } from '../../../src/mount/chain-lock/chain-lock.js';
import { matchWhole } from '../../support/match-whole.js';
import { openFilesOf } from '../../support/open-files.js';
import { writeSmallCatalog } from '../../support/small-catalog.js';
import { temporaryDirectory } from '../../support/swept.js';
import { until } from '../../support/until.js';

const PARENT = fileURLToPath(new URL('./parent.js', import.meta.url));
const notRoot = process.getuid?.() === 0 ? false : 'needs root';
const OWNER = 65534;

// The holder does not keep its parent alive; in a mount the threads do.
const alive = setInterval(() => undefined, 1000);
t.teardown(() => clearInterval(alive));

function catalogOf(t: Test): string {
  return writeSmallCatalog(join(t.testdir(), 'catalog'));
}

function chainOf(catalog: string): Chain {
  return resolveChain(openCatalog(catalog), 'main', 'latest');
}

/** Lines of backup_ro.pid of every member, FULL first. */
function holders(chain: Chain): string[][] {
  return chain.members.map(({ directory }) => {
    const path = join(directory, 'backup_ro.pid');
    return existsSync(path) ? readFileSync(path, 'latin1').trimEnd().split('\n') : [];
  });
}

function giveAway(path: string): void {
  execFileSync('chown', ['-R', `${OWNER}:${OWNER}`, path]);
}

async function locked(t: Test, chain: Chain, waitMs?: number): Promise<ChainLock> {
  const lock = await lockChain(chain, waitMs);
  t.teardown(() => lock.release());
  return lock;
}

t.test('every member is locked by one process that has nothing else open', async (t) => {
  const chain = chainOf(catalogOf(t));
  const lock = await locked(t, chain);
  t.same(lock.warnings, []);
  t.same(holders(chain), [[`${lock.holder}`], [`${lock.holder}`], [`${lock.holder}`]]);
  const files = openFilesOf(lock.holder!).filter((target) => target.startsWith('/') && target !== '/dev/null');
  t.same(files, [], 'no file, no device');
  t.equal(readlinkSync(`/proc/${lock.holder}/cwd`), '/');
  await lock.release();
  t.same(holders(chain), [[], [], []]);
  t.same(
    chain.members.flatMap(({ directory }) => readdirSync(directory).filter((name) => name.includes('pid'))),
    [],
  );
});

t.test('under root the locks are those of the owner of the catalog', { skip: notRoot }, async (t) => {
  const catalog = catalogOf(t);
  giveAway(catalog);
  const chain = chainOf(catalog);
  const lock = await locked(t, chain);
  const status = readFileSync(`/proc/${lock.holder}/status`, 'latin1');
  t.match(status, new RegExp(`Uid:\\t${OWNER}\\t${OWNER}\\t${OWNER}\\t${OWNER}\n`));
  t.match(status, new RegExp(`Gid:\\t${OWNER}\\t${OWNER}\\t${OWNER}\\t${OWNER}\n`));
  t.match(status, new RegExp(`Groups:\\t${OWNER} *\n`));
  t.same(holders(chain), [[`${lock.holder}`], [`${lock.holder}`], [`${lock.holder}`]]);
  t.equal(execFileSync('stat', ['-c', '%u', join(chain.target.directory, 'backup_ro.pid')]).toString(), `${OWNER}\n`);
  // What pg_probackup does as that user: signal 0 must not be refused.
  execFileSync('/bin/sh', ['-c', `kill -0 ${lock.holder}`], { uid: OWNER, gid: OWNER });
});

t.test('two mounts of one chain hold it side by side', async (t) => {
  const chain = chainOf(catalogOf(t));
  const [one, two] = await Promise.all([locked(t, chain), locked(t, chain)]);
  const both = [`${one.holder}`, `${two.holder}`].sort();
  for (const pids of holders(chain)) t.same(pids.sort(), both);
  await one.release();
  t.same(holders(chain), [[`${two.holder}`], [`${two.holder}`], [`${two.holder}`]]);
});

t.test('the locks go when the process that wanted them is killed', async (t) => {
  const catalog = catalogOf(t);
  const chain = chainOf(catalog);
  const parent = spawn(process.execPath, [PARENT, catalog], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => parent.kill('SIGKILL'));
  const holder = await new Promise<string>((resolve) =>
    parent.stdout.once('data', (text) => resolve(`${text}`.trim())),
  );
  t.same(holders(chain), [[holder], [holder], [holder]]);
  parent.kill('SIGKILL');
  await until(() => holders(chain).every((pids) => pids.length === 0));
  await until(() => !existsSync(`/proc/${holder}`));
});

t.test('signals that are for the mount do not end the holder; its own death is noticed', async (t) => {
  const chain = chainOf(catalogOf(t));
  const lock = await locked(t, chain);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(lock.holder!, signal);
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.same(holders(chain)[0], [`${lock.holder}`]);
  process.kill(lock.holder!, 'SIGKILL');
  await lock.lost;
});

t.test('a member under an exclusive lock refuses the mount, and nothing stays locked (trap 37)', async (t) => {
  const chain = chainOf(catalogOf(t));
  const deleter = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.teardown(() => deleter.kill('SIGKILL'));
  writeFileSync(join(chain.members[1]!.directory, 'backup.pid'), `${deleter.pid}\n`);
  await t.rejects(lockChain(chain, 100), { code: 'chain_busy', message: new RegExp(`process ${deleter.pid}`) });
  t.same(holders(chain), [[], [], []]);
});

t.test('a deleter that waits for us gets its way as soon as we go', async (t) => {
  const chain = chainOf(catalogOf(t));
  const lock = await locked(t, chain);
  const deleter = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.teardown(() => deleter.kill('SIGKILL'));
  writeFileSync(join(chain.target.directory, 'backup.pid'), `${deleter.pid}\n`);
  await lock.release();
  t.notOk(existsSync(`/proc/${lock.holder}`), 'its pid means nothing any more');
  t.same(holders(chain).slice(0, 2), [[], []], 'the others were released in order');
});

t.test(
  'a catalog on a read-only file system is no hindrance, but a warning (trap 37)',
  { skip: notRoot },
  async (t) => {
    const root = temporaryDirectory('pbkfs-read-only-');
    t.teardown(() => rmSync(root, { recursive: true, force: true }));
    const view = join(root, 'view');
    mkdirSync(view);
    const source = writeSmallCatalog(join(root, 'source'));
    execFileSync('mount', ['--bind', source, view]);
    t.teardown(() => execFileSync('umount', [view]));
    execFileSync('mount', ['-o', 'remount,bind,ro', view]);
    const chain = chainOf(view);
    const lock = await locked(t, chain);
    t.equal(lock.holder, undefined);
    matchWhole(t, lock.warnings, [/read-only/]);
    t.same(holders(chain), [[], [], []]);
  },
);

t.test("somebody else's catalog is not locked by an ordinary user, and told", { skip: notRoot }, async (t) => {
  const catalog = catalogOf(t);
  const chain = chainOf(catalog);
  process.seteuid?.(OWNER);
  try {
    const lock = await lockChain(chain);
    t.equal(lock.holder, undefined);
    matchWhole(t, lock.warnings, [/belongs to user 0/]);
  } finally {
    process.seteuid?.(0);
  }
});

t.test('one member that cannot be written is named, the others are locked', { skip: notRoot }, async (t) => {
  const catalog = catalogOf(t);
  giveAway(catalog);
  const chain = chainOf(catalog);
  chownSync(chain.members[1]!.directory, 0, 0);
  const lock = await locked(t, chain);
  matchWhole(t, lock.warnings, [new RegExp(`backup ${chain.members[1]!.id} is not locked`)]);
  t.same(holders(chain), [[`${lock.holder}`], [], [`${lock.holder}`]]);
});
