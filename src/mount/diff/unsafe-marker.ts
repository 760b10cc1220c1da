// .pbkfs-dirty: a diff that was mounted with --perf-unsafe and not unmounted cleanly since. What an fsync promised may be
// missing from it after a power loss, and PostgreSQL has no way to notice.

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PbkfsError } from '../../errors.js';
import { replaceFile, syncDirectory } from '../../sys/durable-file.js';

export const UNSAFE_MARKER = '.pbkfs-dirty';

/** Marks a diff, durably, before anything is written to it. */
export function markUnsafe(diff: string): void {
  replaceFile(join(diff, UNSAFE_MARKER), 'mounted with --perf-unsafe and not cleanly unmounted since\n');
}

/** The diff is durable again. */
export function clearUnsafe(diff: string): void {
  if (!isMarkedUnsafe(diff)) return;
  rmSync(join(diff, UNSAFE_MARKER), { force: true });
  syncDirectory(diff);
}

export function isMarkedUnsafe(diff: string): boolean {
  return existsSync(join(diff, UNSAFE_MARKER));
}

/** @throws PbkfsError diff_unsafe for a marked diff */
export function refuseUnsafeDiff(diff: string): void {
  if (!isMarkedUnsafe(diff)) return;
  throw new PbkfsError('diff_unsafe', `the diff ${diff} was mounted with --perf-unsafe and not unmounted cleanly`, {
    hint: 'if the host has kept its power since, --force mounts it and nothing is lost; else start with a new diff: what was committed may be missing or torn',
  });
}
