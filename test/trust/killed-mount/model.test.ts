// kill -9 of the mount process under random changes made through the kernel, against a model: after a remount nothing
// that was acknowledged is missing, and what was under way has happened or not.
//
// PBKFS_KILL_LIVES (default 4) and PBKFS_TEST_SEED make longer and other runs.

import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { LOG_FILE } from '../../../src/mount/diff/diff-directory.js';
import { mountCatalog, mountMissing, type TestMount } from '../../support/mount.js';
import { seededRandom } from '../../support/seeded-random.js';
import { writeSmallCatalog } from '../../support/small-catalog.js';
import { temporaryDirectory } from '../../support/swept.js';
import type { WorkPlace } from '../random-work.js';
import { type MountedWorkAnswer, type MountedWorkCommand, type MountedWorkData, shared } from './protocol.js';

t.setTimeout(0);

const lives = Number(process.env.PBKFS_KILL_LIVES ?? 4);
const seed = Number(process.env.PBKFS_TEST_SEED ?? Date.now() % 1_000_000);
const FAULTS = fileURLToPath(new URL('../../support/faults.cjs', import.meta.url));

/** Each thread has its own, so that each knows what must be there. */
const places: readonly WorkPlace[] = [
  {
    paths: [
      ...['base/1/100', 'base/1/100', 'base/1/raw', 'base/1/new', 'pg_wal/1'],
      ...['base/2/200', 'base/2/new', 'base/3/new', 'base/3/200'],
      'pg_wal/000000010000000000000001',
    ],
    directories: ['base/2', 'base/3', 'base/5'],
  },
  {
    paths: ['base/1/101', 'base/1/101', 'base/1/small', 'base/1/other', 'pg_wal/2', 'base/6/new', 'base/7/new'],
    directories: ['base/6', 'base/7', 'base/8'],
  },
];

class Crew {
  readonly #workers: Worker[];
  readonly #words = new Int32Array(new SharedArrayBuffer(12));

  constructor(t: Test, mountpoint: string, seed: number) {
    this.#workers = places.map((place, i) => {
      const workerData: MountedWorkData = { mountpoint, seed: seed + i, place, shared: this.#words };
      return new Worker(new URL('mounted-work.js', import.meta.url), { workerData });
    });
    t.teardown(() => Promise.all(this.#workers.map((worker) => worker.terminate())));
  }

  get acknowledged(): number {
    return Atomics.load(this.#words, shared.acknowledged);
  }

  /** @returns what was wrong, when all have stopped */
  async tell(command: MountedWorkCommand): Promise<string[]> {
    Atomics.store(this.#words, shared.stop, 0);
    Atomics.store(this.#words, shared.killed, 0);
    const answers = this.#workers.map(async (worker) => {
      worker.postMessage(command);
      const [answer] = (await once(worker, 'message')) as [MountedWorkAnswer];
      return answer ?? '';
    });
    return (await Promise.all(answers)).filter((answer) => answer !== '');
  }

  stop(): void {
    Atomics.store(this.#words, shared.stop, 1);
  }

  /** Before the mount process is killed. */
  expectEnd(): void {
    Atomics.store(this.#words, shared.killed, 1);
  }

  /** Resolves when at least `count` more changes were acknowledged. */
  async more(count: number, over: () => boolean): Promise<void> {
    for (const goal = this.acknowledged + count; this.acknowledged < goal && !over(); ) await sleep(2);
  }
}

const moments = ['working', 'mounting', 'working', 'unmounting'] as const;

/** Works, kills, mounts again, looks. @returns what is wrong */
async function live(
  mount: TestMount,
  crew: Crew,
  moment: (typeof moments)[number],
  random: () => number,
  options: readonly string[] = [],
) {
  let over = false;
  const working = crew.tell('work').finally(() => {
    over = true;
  });
  await crew.more(20, () => over);
  await sleep(random() * 200);
  if (moment === 'unmounting') {
    crew.stop();
    const wrong = await working;
    if (wrong.length > 0) return wrong;
    const owner = mount.owner();
    const unmounting = mount.tryUnmount();
    await sleep(300 + random() * 400);
    await mount.kill9(owner).catch(() => undefined);
    await unmounting;
  } else {
    crew.expectEnd();
    await mount.kill9();
  }
  const wrong = await working;
  if (wrong.length > 0) return wrong;
  await mount.unmountDead().catch(() => undefined);
  if (moment === 'mounting') {
    const mounting = mount.remount(...options).catch(() => undefined);
    await sleep(300 + random() * 500);
    await mount.kill9().catch(() => undefined);
    await mounting;
    await mount.unmountDead().catch(() => undefined);
  }
  await mount.remount(...options);
  return crew.tell('check');
}

async function stage(
  t: Test,
  env: Record<string, string> = {},
  seedOfCrew = seed,
  options: readonly string[] = [],
): Promise<{ mount: TestMount; crew: Crew }> {
  const directory = temporaryDirectory('pbkfs-killed-');
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const catalog = writeSmallCatalog(join(directory, 'catalog'));
  const mount = await mountCatalog(t, { catalog, instance: 'main', backup: 'latest' }, env, options);
  return { mount, crew: new Crew(t, mount.mountpoint, seedOfCrew) };
}

for (const options of [[], ['--passthrough']]) {
  const how = [...options, `seed ${seed}`].join(', ');
  t.test(`nothing acknowledged is missing after kill -9 (trap 30), ${how}`, { skip: mountMissing }, async (t) => {
    const { mount, crew } = await stage(t, {}, seed, options);
    const random = seededRandom(seed);
    for (let life = 0; life < lives; life++) {
      const moment = moments[life % moments.length]!;
      t.strictSame(await live(mount, crew, moment, random, options), [], `life ${life}, killed while ${moment}`);
      if (t.passing()) continue;
      t.comment(readFileSync(join(mount.diff, LOG_FILE), 'utf8'));
      return;
    }
    t.ok(crew.acknowledged >= 20 * lives, `${lives} kills, ${crew.acknowledged} acknowledged`);
    await mount.unmount();
  });
}

for (const [what, files] of [
  ['names', '/journal$'],
  ['bits of block maps', '/objects/[0-9a-f]{32}\\.map$'],
] as const) {
  t.test(
    `the test finds what it is for: acknowledged ${what} that are kept in memory`,
    { skip: mountMissing },
    async (t) => {
      const faults = temporaryDirectory('pbkfs-faults-');
      t.teardown(() => rmSync(faults, { recursive: true }));
      const env = { NODE_OPTIONS: `--require=${FAULTS}`, PBKFS_TEST_FAULTS: faults };
      const fault = join(faults, 'lose-writes');
      let wrong: string[] = [];
      // Early changes may have replaced every file that the fault concerns: then other changes, on a new mount.
      for (let attempt = 0; attempt < 8 && wrong.length === 0; attempt++) {
        rmSync(fault, { force: true });
        const { mount, crew } = await stage(t, env, seed + 1000 * attempt);
        writeFileSync(fault, files);
        for (let life = 0; life < 10 && wrong.length === 0; life++) {
          wrong = await live(mount, crew, 'working', seededRandom(seed + life)).catch((error: Error) => [
            error.message,
          ]);
        }
      }
      t.ok(wrong.length > 0, wrong[0]?.split('\n')[0]);
    },
  );
}
