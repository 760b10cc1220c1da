// Plays random system calls on a fresh mount of a backup and on a copy of its content on ext4.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { Side } from './ext4-side.js';
import { randomSteps, type Step, type World } from './ext4-steps.js';
import { mountCatalog, type TestMount } from './mount.js';
import { privateCatalog } from './private-catalog.js';
import { shrink } from './shrink.js';
import { swept } from './swept.js';

export interface PlayOptions {
  /** environment of the mounts */
  readonly env?: Record<string, string>;
  /** steps in place of one that the mount cannot answer as ext4 does */
  readonly instead?: (step: Step) => readonly Step[];
}

/** PBKFS_TEST_SEED repeats a run, PBKFS_TEST_STEPS makes it longer. */
const seed = Number(process.env.PBKFS_TEST_SEED ?? Date.now() % 1_000_000);

/** `runs` sequences of steps, each on a mount of its own; fails with the shortest sequence whose answers differ. */
export async function compareWithExt4(t: Test, runs: number, steps: number, options: PlayOptions = {}): Promise<void> {
  const count = Number(process.env.PBKFS_TEST_STEPS ?? steps);
  const { catalog } = await privateCatalog(t, 'mini');
  for (let run = 0; run < runs; run++) {
    const world = await worldOf(t, catalog);
    const { instead = (step: Step): readonly Step[] => [step] } = options;
    const steps = randomSteps(seed + run, count, world).flatMap(instead);
    const failure = await play(t, catalog, world, steps, options);
    if (failure === null) {
      t.pass(`seed ${seed + run}: ${steps.length} steps`);
      continue;
    }
    t.comment(`seed ${seed + run}, before it is shortened: ${JSON.stringify(failure)}`);
    const fails = async (some: readonly Step[]) => (await play(t, catalog, world, some, options)) !== null;
    const shortest = await shrink(steps.slice(0, failure.at + 1), fails, 150);
    t.fail(`seed ${seed + run}: the mount differs from ext4`, {
      differs: (await play(t, catalog, world, shortest, options)) ?? failure,
      steps: shortest.map((step) => JSON.stringify(step)),
    });
    return;
  }
}

/** Files of every kind a backup has: datafiles of several sizes, an empty one, forks, raw files. */
async function worldOf(t: Test, catalog: string): Promise<World> {
  const mount = await mountCatalog(t, { catalog, instance: 'a', backup: 'latest' });
  const directories = ['base/1', 'global'];
  const files: string[] = [];
  for (const directory of directories) {
    const all = fs.readdirSync(join(mount.mountpoint, directory)).map((name) => {
      const { size } = fs.statSync(join(mount.mountpoint, directory, name));
      return { path: `${directory}/${name}`, size };
    });
    const fork = (path: string): boolean => /_(fsm|vm)$/.test(path);
    files.push(
      ...all
        .filter(({ path, size }) => size > 8192 && size < 300_000 && !fork(path))
        .slice(0, 5)
        .map((f) => f.path),
    );
    files.push(
      ...all
        .filter(({ path }) => fork(path))
        .slice(0, 2)
        .map((f) => f.path),
    );
    files.push(
      ...all
        .filter(({ size }) => size === 0 || size === 8192)
        .slice(0, 2)
        .map((f) => f.path),
    );
  }
  await mount.discard();
  return { directories, files };
}

interface Failure {
  at: number;
  step: Step;
  mount: string;
  ext4: string;
}

/** Makes the steps on a fresh mount and on a copy of its content. */
async function play(
  t: Test,
  catalog: string,
  world: World,
  steps: readonly Step[],
  { env = {} }: PlayOptions,
): Promise<Failure | null> {
  const mount = await mountCatalog(t, { catalog, instance: 'a', backup: 'latest' }, env);
  const copy = swept(fs.mkdtempSync(join(tmpdir(), 'pbkfs-ext4-')));
  const sides = [new Side(mount.mountpoint), new Side(copy)] as const;
  try {
    for (const directory of world.directories) {
      fs.mkdirSync(join(copy, directory, '..'), { recursive: true });
      execFileSync('cp', ['-a', join(mount.mountpoint, directory), join(copy, directory)]);
    }
    for (const [at, step] of steps.entries()) {
      const [onMount, onExt4] = await both(mount, sides, world, step);
      if (onMount !== onExt4) return { at, step, mount: onMount, ext4: onExt4 };
    }
    return null;
  } finally {
    for (const side of sides) side.closeAll();
    await mount.discard();
    fs.rmSync(copy, { recursive: true });
  }
}

async function both(
  mount: TestMount,
  sides: readonly [Side, Side],
  world: World,
  step: Step,
): Promise<readonly [string, string]> {
  switch (step.op) {
    case 'dropCaches':
      dropCaches();
      return ['', ''];
    case 'remount':
      for (const side of sides) side.closeAll();
      await mount.unmount();
      await mount.remount();
      return ['', ''];
    case 'compare': {
      const trees = sides.map((side) => world.directories.flatMap((directory) => side.tree(directory)));
      const [ours, theirs] = trees as [string[], string[]];
      const differs = ours.findIndex((line, i) => line !== theirs[i]);
      if (differs < 0 && ours.length === theirs.length) return ['', ''];
      return [ours[differs] ?? 'ends here', theirs[differs < 0 ? ours.length : differs] ?? 'ends here'];
    }
    default:
      return [sides[0].take(step), sides[1].take(step)];
  }
}

/** Makes the kernel forget inodes and names, and with them pages; where that is not permitted the steps run with warm caches only. */
function dropCaches(): void {
  try {
    fs.writeFileSync('/proc/sys/vm/drop_caches', '2');
  } catch {
    // A container may keep it read-only.
  }
}
