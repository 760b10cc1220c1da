#!/usr/bin/env node
// mount.pbkfs: what mount(8) runs for `mount -t pbkfs` and for lines of /etc/fstab; turns its arguments into `pbkfs mount`.
//
//   mount.pbkfs SOURCE DIRECTORY [-sfnvrw] [-N namespace] [-o OPTIONS] [-t TYPE]

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PbkfsError } from '../errors.js';
import { fstabArguments } from './fstab.js';
import { reportFailure } from './report.js';

const PBKFS = fileURLToPath(new URL('./pbkfs.js', import.meta.url));

/** Exit statuses of mount(8). */
const WRONG_USAGE = 1;
const FAILED = 32;

try {
  const args = fstabArguments(process.argv.slice(2));
  // With -f mount(8) asks to do everything but the mount itself.
  if (args !== null) {
    const { status } = spawnSync(process.execPath, [PBKFS, ...args], { stdio: 'inherit' });
    process.exitCode = status === 0 ? 0 : status === 2 ? WRONG_USAGE : FAILED;
  }
} catch (error) {
  process.exitCode = WRONG_USAGE;
  if (!(error instanceof PbkfsError)) process.exitCode = FAILED;
  reportFailure(error, false);
}
