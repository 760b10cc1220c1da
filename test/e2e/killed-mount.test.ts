// kill -9 of what serves a mount, at random moments under a writing server: after a remount nothing acknowledged is missing.
//
// PBKFS_STORM=long makes many rounds, PBKFS_KILL_ROUNDS any number; PBKFS_TEST_SEED repeats their order.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { CrashStage } from '../support/crash-stage.js';
import { mountCatalog, mountMissing } from '../support/mount.js';
import { seededRandom } from '../support/seeded-random.js';
import { smallStream } from './targets.js';

t.setTimeout(0);

const long = process.env.PBKFS_STORM === 'long';
const rounds = Number(process.env.PBKFS_KILL_ROUNDS ?? (long ? 100 : 3));
const seed = Number(process.env.PBKFS_TEST_SEED ?? Date.now() % 1_000_000);

const victims = ['process', 'group', 'holder and process', 'while unmounting', 'while mounting'] as const;

/** Pids in the lock files of a catalog's backups: one for each mount that holds them. */
function holders(catalog: string): number[] {
  const pids = new Set<number>();
  for (const name of readdirSync(catalog, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('/backup_ro.pid')) continue;
    for (const line of readFileSync(join(catalog, name), 'latin1').split('\n')) if (line !== '') pids.add(Number(line));
  }
  return [...pids];
}

/** How many there are, once there are as few as that: a holder that has just been replaced ends when it sees its parent dead. */
async function holdersLeft(catalog: string, few: number): Promise<number> {
  for (const deadline = Date.now() + 30_000; holders(catalog).length > few && Date.now() < deadline; ) await sleep(50);
  return holders(catalog).length;
}

async function kill(victim: (typeof victims)[number], stage: CrashStage, catalog: string, delay: number) {
  const { mount } = stage;
  const owner = mount.owner()!;
  await sleep(delay);
  switch (victim) {
    case 'process':
      return stage.killMount();
    case 'group':
      // The process that holds the chain's locks is in it: the locks stay behind.
      process.kill(-owner.pid, 'SIGKILL');
      return stage.killMount();
    case 'holder and process':
      for (const pid of holders(catalog)) process.kill(pid, 'SIGKILL');
      await sleep(delay / 4);
      return stage.killMount();
    case 'while unmounting': {
      await stage.server.crash();
      const unmounting = mount.tryUnmount();
      await sleep(100 + delay / 4);
      await stage.killMount();
      await unmounting;
      return;
    }
    case 'while mounting': {
      await stage.killMount();
      await stage.takeOff();
      const mounting = stage.remount().catch(() => undefined);
      await sleep(100 + delay / 2);
      const next = mount.owner();
      if (next !== undefined) await mount.kill9(next);
      await mounting;
    }
  }
}

for (const [how, env, times] of [
  ['', {}, rounds],
  [', where what is read is copied into the diff', { PBKFS_MATERIALIZE_ON_READ: 'true' }, Math.ceil(rounds / 3)],
] as const) {
  const what = `every acknowledged row is there after the remount (trap 30)${how}, seed ${seed}`;
  t.test(what, { skip: mountMissing }, async (t) => {
    const random = seededRandom(seed);
    const target = await smallStream(t);
    const mount = await mountCatalog(t, target, env);
    const stage = new CrashStage(t, mount, target.answers, seed);
    await stage.ledger.prepare(await stage.start());
    for (let round = 0; round < times; round++) {
      const victim = victims[(seed + round) % victims.length]!;
      await stage.work(40);
      await kill(victim, stage, target.catalog, random() * 1000);
      await stage.takeOff();
      await stage.remount();
      t.strictSame(await stage.recover(), [], `round ${round} (${victim}): ${stage.ledger.acknowledged} acknowledged`);
      t.equal(await holdersLeft(target.catalog, 1), 1, 'the chain is locked once: dead locks are gone');
      if (!t.passing()) return;
      const last = round === times - 1;
      if (!last && round % 10 !== 9) continue;
      await stage.integrity(t);
      if (!last) await stage.start();
    }
    await mount.unmount();
    t.equal(await holdersLeft(target.catalog, 0), 0, 'no lock is left in the catalog');
  });
}
