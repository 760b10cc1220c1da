// Power loss under a working PostgreSQL, end to end: the diff's disk forgets what was not fsynced, the host "restarts"
// (another boot id, or --after-power-loss), the server recovers, and what its clients were told is all there (trap 31).
//
// PBKFS_STORM=long makes many rounds, PBKFS_POWER_LOSS_ROUNDS any number; PBKFS_TEST_SEED repeats their order.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { smallStream } from '../../e2e/targets.js';
import { Boots } from '../../support/boots.js';
import { CrashStage } from '../../support/crash-stage.js';
import { type DiskType, diskMissing, ForgetfulDisk } from '../../support/forgetful-disk.js';
import { mountCatalog, mountMissing } from '../../support/mount.js';
import { seededRandom } from '../../support/seeded-random.js';
import { temporaryDirectory } from '../../support/swept.js';

t.setTimeout(0);

const skip = mountMissing || diskMissing('ext4');
const long = process.env.PBKFS_STORM === 'long';
const rounds = Number(process.env.PBKFS_POWER_LOSS_ROUNDS ?? (long ? 100 : 2));
const seed = Number(process.env.PBKFS_TEST_SEED ?? Date.now() % 1_000_000);
const FAULTS = fileURLToPath(new URL('../../support/faults.cjs', import.meta.url));

/** When the power goes: while clients work, the server recovers, the mount ends, the mount comes up. A short run does two. */
const moments = ['work', 'recovery', 'unmount', 'mount'] as const;

const boots = new Boots();

async function stageOn(t: Test, type: DiskType, env = boots.env) {
  const disk = new ForgetfulDisk(t, type);
  const target = await smallStream(t);
  const mount = await mountCatalog(t, target, env, [], join(disk.directory, 'diff'));
  const stage = new CrashStage(t, mount, target.answers, seed);
  await stage.ledger.prepare(await stage.start());
  return { disk, stage };
}

/** The host goes down and comes back: nothing runs any more, the disk has what reached it. */
async function restartHost(disk: ForgetfulDisk, stage: CrashStage, boots?: Boots): Promise<string[]> {
  disk.cut();
  await stage.killAll();
  await disk.restartWhenFree();
  boots?.next();
  return boots === undefined ? ['--after-power-loss'] : [];
}

async function cutAt(moment: (typeof moments)[number], disk: ForgetfulDisk, stage: CrashStage, delay: number) {
  switch (moment) {
    case 'work':
      await stage.work(40);
      return sleep(delay);
    case 'recovery': {
      await stage.work(40);
      await stage.server.crash();
      const starting = stage.start().catch(() => undefined);
      await sleep(delay / 2);
      disk.cut();
      await starting;
      return;
    }
    case 'unmount': {
      await stage.work(40);
      await stage.server.crash();
      const unmounting = stage.mount.tryUnmount();
      await sleep(150 + delay / 4);
      disk.cut();
      await unmounting;
      return;
    }
    case 'mount': {
      await stage.work(40);
      await stage.killAll();
      const mounting = stage.remount().catch(() => undefined);
      await sleep(200 + delay / 2);
      disk.cut();
      await mounting;
    }
  }
}

async function testRounds(t: Test, type: DiskType, count: number): Promise<void> {
  const random = seededRandom(seed);
  const { disk, stage } = await stageOn(t, type);
  for (let round = 0; round < count; round++) {
    const moment = moments[(seed + round) % moments.length]!;
    const newBoot = Math.floor(round / moments.length + round) % 2 === 0;
    await cutAt(moment, disk, stage, random() * 1500);
    const options = await restartHost(disk, stage, newBoot ? boots : undefined);
    await stage.remount(...options);
    t.strictSame(await stage.recover(), [], `round ${round} (${moment}): ${stage.ledger.acknowledged} acknowledged`);
    if (!t.passing()) return;
    const last = round === count - 1;
    if (!last && round % 10 !== 9) continue;
    await stage.integrity(t);
    if (!last) await stage.start();
  }
}

t.test(`ext4: every acknowledged row is there after power loss (trap 31), seed ${seed}`, { skip }, (t) =>
  testRounds(t, 'ext4', rounds),
);

t.test('xfs: the same', { skip: skip || (long ? diskMissing('xfs') : 'only with PBKFS_STORM=long') }, (t) =>
  testRounds(t, 'xfs', Math.ceil(rounds / 4)),
);

t.test('the test finds what it is for: a mount whose fsync does nothing loses rows', { skip }, async (t) => {
  const faults = temporaryDirectory('pbkfs-faults-');
  t.teardown(() => rmSync(faults, { recursive: true }));
  mkdirSync(faults, { recursive: true });
  const { NODE_OPTIONS, ...bootId } = boots.env;
  const env = { ...bootId, NODE_OPTIONS: `${NODE_OPTIONS} --require=${FAULTS}`, PBKFS_TEST_FAULTS: faults };
  const { disk, stage } = await stageOn(t, 'ext4', env);
  writeFileSync(join(faults, 'no-sync'), '');
  await stage.work(40);
  const options = await restartHost(disk, stage);
  const wrong = await stage
    .remount(...options)
    .then(() => stage.recover())
    .catch((error: Error) => [error.message.split('\n')[0]!]);
  t.ok(wrong.length > 0, wrong[0]);
});
