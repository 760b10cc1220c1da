// Mounts of the fake server for tests: directories, requests, launching, and leaving nothing behind.

import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { byteString } from '../../../src/backup/byte-path.js';
import type { MountRequest } from '../../../src/mount/request.js';
import { MNT_DETACH, MNT_FORCE, umount2 } from '../../../src/sys/libc.js';
import { mountAt, readMounts } from '../../../src/sys/mountinfo.js';
import { isAlive, type ProcessIdentity } from '../../../src/sys/process-identity.js';
import { diffOwner, lastMount, mountLog } from '../../support/diff-files.js';
import { privateCatalog } from '../../support/private-catalog.js';
import { temporaryDirectory } from '../../support/swept.js';
import { until } from '../../support/until.js';
import type { Fault } from './server.js';

const LAUNCHER = fileURLToPath(new URL('./launcher.js', import.meta.url));

export interface Launched {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class FakeMount {
  readonly mountpoint: string;
  readonly diff: string;
  readonly request: MountRequest;

  constructor(request: MountRequest) {
    this.mountpoint = request.mountpoint;
    this.diff = request.diff!;
    this.request = request;
  }

  /** Runs the launcher to its end, as a shell would. */
  async launch(fault: Fault = 'none', changes: Partial<MountRequest> = {}): Promise<Launched> {
    const child = this.start(fault, changes);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { status, stdout, stderr };
  }

  /** Starts the launcher (or a foreground mount) and leaves it to the caller. */
  start(fault: Fault = 'none', changes: Partial<MountRequest> = {}, foreground = false) {
    const request = { ...this.request, ...changes };
    return spawn(process.execPath, [LAUNCHER, JSON.stringify({ foreground, request })], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PBKFS_FAKE_FAULT: fault },
    });
  }

  isMounted(): boolean {
    return mountAt(readMounts(), byteString(this.mountpoint)) !== undefined;
  }

  /** The process that holds the diff. */
  owner(): ProcessIdentity {
    return diffOwner(this.diff);
  }

  state(): { state: string; error?: string } {
    return lastMount(this.diff);
  }

  log(): string {
    return mountLog(this.diff);
  }

  async ownerEnded(owner: ProcessIdentity): Promise<void> {
    await until(() => !isAlive(owner));
  }

  discard(): void {
    while (this.isMounted()) {
      try {
        umount2(this.mountpoint, MNT_FORCE | MNT_DETACH);
      } catch {
        return;
      }
    }
  }
}

/** A mount of backup TOU5PO of catalog `mini`, not yet launched; `name` is the mount point's own name. */
export async function fakeMount(t: Test, name = 'mount'): Promise<FakeMount> {
  const base = temporaryDirectory('pbkfs-life-');
  const mountpoint = join(base, name);
  mkdirSync(mountpoint);
  const mount = new FakeMount({
    mountpoint,
    diff: join(base, 'diff'),
    catalog: (await privateCatalog(t, 'mini')).catalog,
    instance: 'a',
    backupId: 'latest',
    force: false,
    afterPowerLoss: false,
    materializeOnRead: false,
  });
  t.teardown(() => {
    mount.discard();
    rmSync(base, { recursive: true, force: true });
  });
  return mount;
}
