// A file system whose power can be cut: on a loop device, shut down by ioctl so that nothing more reaches the device,
// then mounted again. What was not fsynced is gone, as after a real power cut (the file system replays its own journal).

import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ioctl, MNT_DETACH, syncfs, umount2 } from '../../src/sys/libc.js';
import type { Teardown } from './postgres.js';
import { swept } from './swept.js';

export type DiskType = 'ext4' | 'xfs';

/** _IOR('X', 125, __u32): EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, from linux/ext4.h (kernel 6.x) and xfs_fs.h. */
const SHUTDOWN = 0x8004587d;
/** EXT4_GOING_FLAGS_NOLOGFLUSH, XFS_FSOP_GOING_FLAGS_NOLOGFLUSH: neither data nor the file system's journal is flushed. */
const NOTHING_FLUSHED = 2;

const sizes: Record<DiskType, string> = { ext4: '1G', xfs: '1G' };
const makers: Record<DiskType, string[]> = {
  // No lazy initialisation: a kernel thread would go on writing to the device.
  ext4: ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0'],
  xfs: ['-q', '-f'],
};

export class ForgetfulDisk {
  readonly type: DiskType;
  /** Where it is mounted. */
  readonly directory: string;
  readonly #base: string;
  readonly #image: string;
  #mounted = false;
  /** The root directory, open for the ioctl. */
  #root = -1;
  #cut = false;

  /** Makes and mounts the file system; taken down at the end of the test. @throws when this machine cannot */
  constructor(t: Teardown, type: DiskType) {
    this.type = type;
    // In memory where there is some: what the loop device got is what "the disk" has, however it is stored.
    this.#base = swept(mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pbkfs-disk-')));
    this.#image = join(this.#base, 'image');
    this.directory = join(this.#base, 'disk');
    t.teardown(() => this.#discard());
    mkdirSync(this.directory);
    execFileSync('truncate', ['-s', sizes[type], this.#image]);
    execFileSync(`mkfs.${type}`, [...makers[type], this.#image], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#mount();
  }

  /** Whether the power is off. */
  get isCut(): boolean {
    return this.#cut;
  }

  /** The power goes. Every later write and sync fails with EIO; reads may still be answered from the page cache. */
  cut(): void {
    if (this.#cut) return;
    const flags = Buffer.alloc(4);
    flags.writeUInt32LE(NOTHING_FLUSHED);
    ioctl(this.#root, SHUTDOWN, flags);
    this.#cut = true;
  }

  /** Everything written so far reaches the device. */
  sync(): void {
    syncfs(this.#root);
  }

  /** The power is back: mounted afresh. Closes what this process still has open there; others must have let go. */
  restart(): void {
    this.#unmount();
    this.#waitUntilReleased();
    this.#mount();
    this.#cut = false;
  }

  /** The same, as soon as processes that were killed have let go. */
  async restartWhenFree(patience = 20_000): Promise<void> {
    for (const deadline = Date.now() + patience; ; await sleep(20)) {
      try {
        return this.restart();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || Date.now() > deadline) throw error;
      }
    }
  }

  #mount(): void {
    execFileSync('mount', ['-o', 'loop', this.#image, this.directory], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#mounted = true;
    this.#root = openSync(this.directory, 'r');
  }

  #unmount(): void {
    if (!this.#mounted) return;
    if (this.#root >= 0) closeSync(this.#root);
    this.#root = -1;
    // A program that lost its power in the middle of something has not closed its files.
    for (const fd of readdirSync('/proc/self/fd')) {
      if (linkOf(fd).startsWith(`${this.directory}/`)) closeSync(Number(fd));
    }
    umount2(this.directory);
    this.#mounted = false;
  }

  /** A mount namespace that somebody has just made may hold a copy of the mount, and with it the dead file system. */
  #waitUntilReleased(): void {
    for (const deadline = Date.now() + 20_000; this.#isAttached(); ) {
      if (Date.now() > deadline)
        throw new Error(`${this.#image} is still mounted somewhere, in another namespace maybe`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }

  /** By /sys: a loop device frees itself with the last mount of it. */
  #isAttached(): boolean {
    return readdirSync('/sys/block').some((name) => backingFile(name) === this.#image);
  }

  #discard(): void {
    try {
      this.#unmount();
    } catch {
      umount2(this.directory, MNT_DETACH);
    }
    rmSync(this.#base, { recursive: true, force: true });
  }
}

const missing = new Map<DiskType, string | false>();

/** Why no such disk can be made here; false where it can. For the `skip` option of a test. */
export function diskMissing(type: DiskType): string | false {
  let reason = missing.get(type);
  if (reason === undefined) {
    reason = whyMissing(type);
    missing.set(type, reason);
  }
  return reason;
}

function whyMissing(type: DiskType): string | false {
  if (process.getuid?.() !== 0) return 'a disk that forgets needs root';
  if (!existsSync('/dev/loop-control')) return 'a disk that forgets needs loop devices';
  const ends: (() => unknown)[] = [];
  try {
    const disk = new ForgetfulDisk({ teardown: (end) => void ends.push(end) }, type);
    disk.cut();
    disk.restart();
    return false;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      return `mkfs.${type} is not installed (Debian: ${type === 'xfs' ? 'xfsprogs' : 'e2fsprogs'})`;
    return `no ${type} on a loop device that can be shut down: ${message.split('\n').join(' ')}`;
  } finally {
    for (const end of ends) end();
  }
}

function backingFile(device: string): string | undefined {
  if (!device.startsWith('loop')) return undefined;
  try {
    return readFileSync(`/sys/block/${device}/loop/backing_file`, 'utf8').trim();
  } catch {
    return undefined; // attached to nothing
  }
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}
