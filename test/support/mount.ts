// Mounts for tests, made by the command line program; taken down at the end of the test whatever happened.

import { chownSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isAlive, type ProcessIdentity } from '../../src/sys/process-identity.js';
import { postgres15, serverTempDir, type Teardown } from './postgres.js';
import { type RunResult, run } from './run.js';
import { temporaryDirectory } from './swept.js';

export const CLI = fileURLToPath(new URL('../../bundle/cli/pbkfs.js', import.meta.url));

/** Why no mount can be made here; false where it can. For the `skip` option of a test. */
export const mountMissing: string | false = !existsSync('/dev/fuse')
  ? '/dev/fuse does not exist'
  : process.getuid?.() !== 0
    ? 'mounting needs root'
    : false;

/** The cache directory of every pbkfs that this process runs. */
let cacheHome: string | undefined;

function ownCache(): string {
  if (cacheHome === undefined) {
    const made = temporaryDirectory('pbkfs-cache-');
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    cacheHome = made;
  }
  return cacheHome;
}

/** Runs `pbkfs` with these arguments. @throws when JSON that it prints is not what docs/cli.schema.json says */
export async function pbkfs(args: readonly string[], env: Record<string, string> = {}): Promise<RunResult> {
  const result = await run(process.execPath, [CLI, ...args], {
    env: { XDG_CACHE_HOME: ownCache(), ...env },
    timeout: 120_000,
  });
  if (args.includes('--json') && !args.includes('--watch')) await checkJson(args[0]!, result);
  return result;
}

async function checkJson(command: string, { stdout, stderr }: RunResult): Promise<void> {
  // Costs more than most tests of this kind take.
  const { faults } = await import('./schema.js');
  const error = stderr.startsWith('{') ? faults('error', stderr) : [];
  const output = stdout === '' ? [] : faults(command, stdout);
  const wrong = [...error, ...output];
  if (wrong.length > 0) throw new Error(`pbkfs ${command} --json: ${wrong.join('; ')}\n${stdout}${stderr}`);
}

export interface MountTarget {
  /** Path of the catalog. */
  readonly catalog: string;
  readonly instance: string;
  /** A backup id, or `latest`. */
  readonly backup: string;
}

/** A mounted backup, owned by the user that runs PostgreSQL in tests. */
export class TestMount {
  readonly mountpoint: string;
  readonly diff: string;
  /** Environment of the mount process. */
  readonly env: Record<string, string>;

  constructor(mountpoint: string, diff: string, env: Record<string, string>) {
    this.mountpoint = mountpoint;
    this.diff = diff;
    this.env = env;
  }

  /** First mount of the diff; throws what the program said. */
  async mount(target: MountTarget, options: readonly string[] = []): Promise<void> {
    const { catalog, instance, backup } = target;
    const where = ['-D', this.mountpoint, '-d', this.diff];
    await this.#ok(['mount', '-B', catalog, '-I', instance, '-i', backup, ...where, ...options]);
  }

  /** Mounts the diff again, as its binding says. */
  async remount(...options: string[]): Promise<void> {
    await this.#ok(['mount', '-D', this.mountpoint, '-d', this.diff, ...options]);
  }

  async unmount(): Promise<void> {
    await this.#ok(['unmount', '-D', this.mountpoint]);
  }

  /** Unmounts if it can. */
  tryUnmount(...options: string[]): Promise<RunResult> {
    return pbkfs(['unmount', '-D', this.mountpoint, ...options], this.env);
  }

  /** SIGKILL to the mount process; returns when it is gone. The mount point answers ENOTCONN until unmounted. */
  async kill9(owner = this.owner()): Promise<void> {
    if (owner === undefined) throw new Error(`${this.diff} is not mounted`);
    if (isAlive(owner)) process.kill(owner.pid, 'SIGKILL');
    while (isAlive(owner)) await sleep(10);
  }

  /** Takes a mount off whose process was killed; the program may complain, but it must be gone. */
  async unmountDead(): Promise<void> {
    const result = await this.tryUnmount();
    if (isMounted(this.mountpoint)) throw new Error(`still mounted: ${result.stderr}`);
  }

  /** Leaves no mount and no process behind. */
  async discard(): Promise<void> {
    if (!isMounted(this.mountpoint)) return;
    await this.tryUnmount('--stop-timeout', '10');
    const owner = this.owner();
    if (owner !== undefined && isMounted(this.mountpoint)) process.kill(owner.pid, 'SIGKILL');
    if (isMounted(this.mountpoint)) await run('umount', ['-l', this.mountpoint]);
  }

  /** The living process that serves this diff. */
  owner(): ProcessIdentity | undefined {
    try {
      const owner = JSON.parse(readFileSync(join(this.diff, 'lock'), 'utf8')) as ProcessIdentity;
      return isAlive(owner) ? owner : undefined;
    } catch {
      return undefined; // released
    }
  }

  async #ok(args: readonly string[]): Promise<void> {
    const result = await pbkfs(args, this.env);
    if (result.status !== 0) throw new Error(`pbkfs ${args.join(' ')}: ${result.stdout}${result.stderr}`);
  }
}

/**
 * Mounts a backup with a diff of its own below temporary directories.
 * @param diff where the diff shall be instead; it need not exist
 */
export async function mountCatalog(
  t: Teardown,
  target: MountTarget,
  env: Record<string, string> = {},
  options: readonly string[] = [],
  diff?: string,
): Promise<TestMount> {
  const { user } = postgres15();
  const mountpoint = join(serverTempDir(t), 'mount');
  mkdirSync(mountpoint, { mode: 0o700 });
  chownSync(mountpoint, user.uid, user.gid);
  const base = temporaryDirectory('pbkfs-diff-');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const mount = new TestMount(mountpoint, diff ?? join(base, 'diff'), env);
  // Before the directories are removed: teardown handlers run last to first.
  t.teardown(() => mount.discard());
  await mount.mount(target, options);
  return mount;
}

/** By /proc: never touches the mount itself. */
export function isMounted(mountpoint: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[4] === mountpoint);
}
