// The sides of a contest: the same tree on the ordinary file system, on mounts of pbkfs and on other file systems.

import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackendInfo } from '../../src/fs/serve-types.js';
import { CpuLatency } from '../../src/sys/cpu-latency.js';
import { isMounted, type MountTarget, mountCatalog, type TestMount } from '../../test/support/mount.js';
import { nativeMissing, throughNative } from '../../test/support/native.js';
import { postgres15 } from '../../test/support/postgres.js';
import { run, runOk } from '../../test/support/run.js';
import { cpuSeconds, place } from './cpu.js';
import { passthroughProgram } from './passthrough.js';
import type { Contestant, Sample } from './rounds.js';
import type { Stage } from './stage.js';

/** A tree to work on. What is written to one side no other side sees. */
export interface Side {
  readonly name: string;
  readonly directory: string;
  /** The process behind it, where there is one that we know. */
  readonly server?: number;
  /** Whether processors are kept from sleeping while it is measured. */
  readonly awake?: boolean;
}

/** Names of sides that are built in; `--peer` adds others. */
export const NATIVE = 'native';
export const PBKFS = 'pbkfs';
export const PBKFS_PASSTHROUGH = 'pbkfs --passthrough';
export const PBKFS_WAL_DIR = 'pbkfs --wal-dir';
/** All that makes writing fast and keeps every promise. */
export const PBKFS_FAST = 'pbkfs --wal-dir --passthrough';
export const PBKFS_LOW_LATENCY = 'pbkfs --low-latency';
export const PBKFS_FAST_AWAKE = 'pbkfs --wal-dir --passthrough --low-latency';
/** What --low-latency does, without a mount: the fair comparison for it. */
export const NATIVE_AWAKE = 'native, processors awake';
export const FUSE_NATIVE = 'fuse-native';
export const FUSE_OVERLAYFS = 'fuse-overlayfs';
export const OVERLAYFS = 'overlayfs';
export const PASSTHROUGH = 'passthrough_ll';
/** All of them, in the order of the page's columns. */
export const EVERY_SIDE: readonly string[] = [NATIVE, PBKFS, FUSE_NATIVE, FUSE_OVERLAYFS, OVERLAYFS, PASSTHROUGH];

export interface SidesSpec {
  /** The backup that the mounts show. */
  readonly target: MountTarget;
  /** The same as plain files; copied, and the lower layer of overlays. Never changed. */
  readonly truth: string;
  /** Which of the built-in sides. */
  readonly wanted: readonly string[];
  /** NAME → directory of `--peer`. */
  readonly peers: ReadonlyMap<string, string>;
  /** Told why a wanted side is missing. */
  readonly missing: (side: string, why: string) => void;
}

/** Builds what can be built here; undone with the stage. */
export async function buildSides(stage: Stage, spec: SidesSpec): Promise<Side[]> {
  const sides: Side[] = [];
  for (const name of spec.wanted) {
    const built = await builders[name]!(stage, spec);
    if (typeof built === 'string') spec.missing(name, built);
    else sides.push({ name, ...built });
  }
  for (const [name, parent] of spec.peers) {
    const directory = join(parent, `pbkfs-bench-${process.pid}`);
    stage.teardown(() => run('rm', ['-rf', directory]));
    try {
      await copyTree(spec.truth, directory);
      sides.push({ name, directory });
    } catch (error) {
      spec.missing(name, (error as Error).message);
    }
  }
  return sides;
}

/** The side, or why there is none. */
type Builder = (stage: Stage, spec: SidesSpec) => Promise<Omit<Side, 'name'> | string>;

const builders: Readonly<Record<string, Builder>> = {
  [NATIVE]: (stage, { truth }) => nativeCopy(stage, truth),
  [NATIVE_AWAKE]: async (stage, { truth }) =>
    new CpuLatency().fault() ?? { ...(await nativeCopy(stage, truth)), awake: true },
  [PBKFS]: async (stage, { target }) => sideOf(await mounted(stage, target)),
  [PBKFS_PASSTHROUGH]: (stage, { target }) => mountedWithPassthrough(stage, target),
  [PBKFS_LOW_LATENCY]: async (stage, { target }) =>
    new CpuLatency().fault() ?? sideOf(await mounted(stage, target, {}, ['--low-latency'])),
  [PBKFS_FAST_AWAKE]: async (stage, { target }) =>
    new CpuLatency().fault() ?? mountedWithPassthrough(stage, target, ['--low-latency', ...walElsewhere(stage)]),
  [PBKFS_WAL_DIR]: async (stage, { target }) => sideOf(await mounted(stage, target, {}, walElsewhere(stage))),
  [PBKFS_FAST]: (stage, { target }) => mountedWithPassthrough(stage, target, walElsewhere(stage)),
  [FUSE_NATIVE]: async (stage, { target }) =>
    nativeMissing !== false ? nativeMissing : sideOf(await mounted(stage, target, throughNative)),
  [FUSE_OVERLAYFS]: async (stage, { truth }) => {
    if ((await run('sh', ['-c', 'command -v fuse-overlayfs'])).status !== 0)
      return 'fuse-overlayfs is not installed (Debian: apt-get install fuse-overlayfs)';
    const { options, directory } = overlay(stage, truth);
    const server = await serveBy(stage, 'fuse-overlayfs', ['-f', '-o', options, directory], directory);
    return { directory, server };
  },
  [OVERLAYFS]: async (stage, { truth }) => {
    const { options, directory } = overlay(stage, truth);
    const { status, stderr } = await run('mount', ['-t', 'overlay', 'overlay', '-o', options, directory]);
    if (status !== 0) return `the kernel's overlayfs cannot be mounted here: ${stderr.trim()}`;
    stage.teardown(() => run('umount', [directory]));
    return { directory };
  },
  [PASSTHROUGH]: async (stage, { truth }) => {
    const program = await passthroughProgram(stage);
    if ('missing' in program) return program.missing;
    const base = stage.make(PASSTHROUGH);
    const source = join(base, 'source');
    const directory = join(base, 'mount');
    mkdirSync(directory);
    await copyTree(truth, source);
    const args = ['-f', '-o', `source=${source},allow_other,default_permissions`, directory];
    return { directory, server: await serveBy(stage, program.path, args, directory) };
  },
};

async function nativeCopy(stage: Stage, truth: string): Promise<{ directory: string }> {
  const directory = join(stage.make('native'), 'data');
  await copyTree(truth, directory);
  return { directory };
}

function walElsewhere(stage: Stage): string[] {
  return ['--wal-dir', join(stage.make('wal'), 'wal')];
}

async function mountedWithPassthrough(stage: Stage, target: MountTarget, options: readonly string[] = []) {
  const mount = await mounted(stage, target, {}, ['--passthrough', ...options]);
  // A warning tells why not, and the mount is as any other.
  const status = readFileSync(join(mount.mountpoint, '.pbkfs/status.json'), 'utf8');
  const { server } = JSON.parse(status) as { server: BackendInfo };
  return server.passthroughFault ?? sideOf(mount);
}

/** A mount of pbkfs whose diff lies in the stage. */
export function mounted(
  stage: Stage,
  target: MountTarget,
  env: Record<string, string> = {},
  options: readonly string[] = [],
): Promise<TestMount> {
  return mountCatalog(stage, target, env, options, join(stage.make('diff'), 'diff'));
}

export function sideOf(mount: TestMount): { directory: string; server: number } {
  return { directory: mount.mountpoint, server: mount.owner()!.pid };
}

function overlay(stage: Stage, lower: string): { options: string; directory: string } {
  const base = stage.make('overlay');
  for (const name of ['upper', 'work', 'mount']) mkdirSync(join(base, name));
  // PostgreSQL's user must own the data directory.
  const { user } = postgres15();
  chownSync(join(base, 'upper'), user.uid, user.gid);
  chmodSync(join(base, 'upper'), 0o700);
  const options = `lowerdir=${lower},upperdir=${join(base, 'upper')},workdir=${join(base, 'work')}`;
  return { options, directory: join(base, 'mount') };
}

/** Starts a FUSE server in the foreground and waits until its mount is there; its process id. */
async function serveBy(stage: Stage, program: string, args: readonly string[], directory: string): Promise<number> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore'] });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (status, signal) => resolve(`ended with ${signal ?? status}`));
  });
  let end: string | undefined;
  void ended.then((how) => {
    end = how;
  });
  stage.teardown(async () => {
    await run('umount', [directory]);
    const gone = await Promise.race([ended, sleep(5000, undefined, { ref: false })]);
    if (gone === undefined) child.kill('SIGKILL');
  });
  while (!isMounted(directory)) {
    if (end !== undefined) throw new Error(`${program} ${args.join(' ')} ${end}`);
    await sleep(20);
  }
  return child.pid!;
}

export async function copyTree(from: string, to: string): Promise<void> {
  if (!existsSync(to)) mkdirSync(to, { mode: 0o700 });
  await runOk('cp', ['-a', '--reflink=never', `${from}/.`, to], { timeout: 600_000 });
}

async function whileAwake<T>(work: () => Promise<T>): Promise<T> {
  const latency = new CpuLatency();
  latency.keepAwake();
  try {
    return await work();
  } finally {
    latency.letSleep();
  }
}

/** A measurement on a side that also tells what its server's CPU time was. */
export function contestant(side: Side, pinned: boolean, measure: (side: Side) => Promise<Sample>): Contestant {
  return {
    side: side.name,
    measure: async () => {
      const { server } = side;
      if (side.awake) return whileAwake(() => measure(side));
      if (server === undefined) return measure(side);
      if (pinned) await place(server, true);
      try {
        const before = cpuSeconds(server);
        const sample = await measure(side);
        return { ...sample, cpuSeconds: cpuSeconds(server) - before };
      } finally {
        if (pinned) await place(server, false);
      }
    },
  };
}
