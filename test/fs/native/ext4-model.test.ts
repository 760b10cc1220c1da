// The system calls of programs on a mount through fuse-native: as on ext4, but for what docs/backends.md says it cannot do.

import t from 'tap';
import { compareWithExt4 } from '../../support/ext4-play.js';
import type { Step } from '../../support/ext4-steps.js';
import { nativeMissing, throughNative } from '../../support/native.js';

const ASCII = /^[\0-\x7f]*$/;
const HANDLES = 6;

t.test('random system calls through fuse-native get the answers ext4 gives', { skip: nativeMissing }, async (t) => {
  // Files made belong to the owner of the mount, whoever makes them: here to root, as on ext4.
  await compareWithExt4(t, 2, 1200, { env: { ...throughNative, PBKFS_UID: '0', PBKFS_GID: '0' }, instead });
});

/** Each exception is a line of docs/backends.md with a test of its own. */
function instead(step: Step): readonly Step[] {
  if (step.op === 'link' || step.op === 'fallocate') return [];
  const paths = ['path', 'to'].map((key) => (step as unknown as Record<string, string>)[key] ?? '');
  if (paths.some((path) => !ASCII.test(path))) return [];
  // Times have milliseconds.
  if (step.op === 'utimes') return [{ ...step, atime: Math.floor(step.atime), mtime: Math.floor(step.mtime) }];
  // A directory is not empty while a file removed from it is open.
  if (step.op === 'rmdir' || step.op === 'rename') return [...closeAll, step];
  return [step];
}

const closeAll: readonly Step[] = Array.from({ length: HANDLES }, (_, handle) => ({ op: 'close', handle }) as const);
