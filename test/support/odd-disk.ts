// A small ext4 without one of its features, on a loop device: what other file systems lack as well.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MNT_DETACH, umount2 } from '../../src/sys/libc.js';
import type { Teardown } from './postgres.js';
import { swept } from './swept.js';

/**
 * Its directory; taken down at the end of the test.
 * @param without `filetype`: listings do not tell what a name is. `extents`: no fallocate.
 */
export function oddDisk(t: Teardown, without: 'filetype' | 'extents'): string {
  const base = swept(mkdtempSync(join(tmpdir(), 'pbkfs-odd-')));
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const image = join(base, 'image');
  const disk = join(base, 'disk');
  mkdirSync(disk);
  execFileSync('truncate', ['-s', '16M', image]);
  execFileSync('mkfs.ext4', ['-q', '-F', '-O', `^${without}${without === 'extents' ? ',^64bit' : ''}`, image]);
  execFileSync('mount', ['-o', 'loop', image, disk]);
  t.teardown(() => umount2(disk, MNT_DETACH));
  return disk;
}
