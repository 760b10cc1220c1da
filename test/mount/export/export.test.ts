// An export of a diff that has to wait for the end of its mount goes by what that mount has left.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { readBinding, writeBinding } from '../../../src/mount/diff/binding.js';
import { exportTree } from '../../../src/mount/export/export.js';
import { workedDiff, workedRoot } from '../../support/worked-diff.js';

const ENDING = fileURLToPath(new URL('../fake/ending-mount.js', import.meta.url));

t.test('settings that the mount has written while it was waited for are not written again', async (t) => {
  const diff = workedDiff(t, 'kill');
  const written = readBinding(diff)!;
  const unwritten = { target: { kind: 'latest' }, timeline: 'current', action: 'pause' } as const;
  writeBinding(diff, { ...written, unwritten });
  const holder = fork(ENDING, [diff, JSON.stringify(written)]);
  await once(holder, 'message');
  const to = join(workedRoot, 'copy');
  t.teardown(() => rmSync(to, { recursive: true, force: true }));
  const warnings: string[] = [];
  await exportTree({
    ...{ from: diff, to, jobs: 1, force: false, sync: false, tablespaces: [] },
    warn: (message) => void warnings.push(message),
  });
  t.ok(existsSync(join(to, 'base/6/moved')));
  t.strictSame(warnings, []);
  const left = readBinding(diff)!;
  t.equal(left.unwritten, undefined);
  t.equal(left.lastMount.state, 'clean');
});
