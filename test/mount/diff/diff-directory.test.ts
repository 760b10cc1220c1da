import { existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  bindingIn,
  createDiff,
  discardFreshDiff,
  findDiffToMount,
  foreignNames,
} from '../../../src/mount/diff/diff-directory.js';
import { mountpointOfDiff } from '../../../src/mount/unmount/diff-mountpoint.js';
import { temporaryDirectory } from '../../support/swept.js';

function scratch(t: Test): string {
  const dir = temporaryDirectory('pbkfs-diff-');
  t.teardown(() => rmSync(dir, { recursive: true }));
  return dir;
}

t.test('an-absent-diff-is-created-private', async (t) => {
  const diff = join(scratch(t), 'diff');
  t.strictSame(findDiffToMount(diff), { kind: 'absent' });
  createDiff(diff);
  t.equal(statSync(diff).mode & 0o777, 0o700);
  t.strictSame(findDiffToMount(diff), { kind: 'empty' });
  t.throws(() => createDiff(diff), { code: 'diff_busy', message: /somebody else/, hint: /another/ });
  t.throws(() => createDiff('/proc/diff'), { code: 'mount_failed', message: /\/proc\/diff: ENOENT/, hint: /room/ });
});

t.test('leftovers-of-a-first-mount-and-a-new-file-system-count-as-empty', async (t) => {
  const diff = scratch(t);
  for (const name of ['lock', 'pbkfs.log', 'spare', 'binding.json.tmp']) writeFileSync(join(diff, name), '');
  mkdirSync(join(diff, 'lost+found'));
  t.strictSame(findDiffToMount(diff), { kind: 'empty' });
  writeFileSync(join(diff, 'mine'), '');
  t.throws(() => findDiffToMount(diff), { code: 'diff_foreign', message: /it holds "mine"$/ });
  t.strictSame(foreignNames(diff), ['mine']);
});

t.test('foreign-content-is-refused-and-named', async (t) => {
  const diff = scratch(t);
  for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(diff, name), '');
  t.throws(() => findDiffToMount(diff), {
    code: 'diff_foreign',
    message: /not empty and not a pbkfs diff: it holds .* and 1 more/,
  });
  t.throws(() => findDiffToMount(join(diff, 'a')), {
    code: 'diff_foreign',
    message: /is not a directory/,
    hint: /first mount/,
  });
  t.throws(() => findDiffToMount(join(diff, 'x', 'y')), {
    code: 'diff_foreign',
    message: /cannot create the diff/,
    hint: /make the directory/,
  });
  symlinkSync(join(diff, 'nowhere'), join(diff, 'link'));
  t.throws(() => findDiffToMount(join(diff, 'link')), {
    code: 'diff_foreign',
    message: /link: it is a link that leads nowhere/,
  });
});

t.test('whoever wants a diff that is there does not hear that it cannot be created', async (t) => {
  const diff = scratch(t);
  t.throws(() => bindingIn(diff), { code: 'diff_foreign', message: `${diff} is empty: no diff` });
  for (const gone of [join(diff, 'x'), join(diff, 'x', 'y')]) {
    t.throws(() => bindingIn(gone), {
      code: 'diff_foreign',
      message: `${gone} does not exist: no diff`,
      hint: /with -d$/,
    });
    t.throws(() => mountpointOfDiff(gone), { code: 'not_mounted', hint: /no such directory/ });
  }
});

t.test('discarding-spares-what-was-there-and-what-holds-data', async (t) => {
  const diff = join(scratch(t), 'diff');
  createDiff(diff);
  mkdirSync(join(diff, 'lost+found'));
  mkdirSync(join(diff, 'objects'));
  writeFileSync(join(diff, 'journal'), '');
  writeFileSync(join(diff, 'objects', 'data'), 'x');
  const found = { created: false, there: ['lost+found', 'lock', 'pbkfs.log'] };
  for (const name of ['lock', 'pbkfs.log', 'log', 'binding.json', 'mine']) writeFileSync(join(diff, name), name);
  discardFreshDiff(diff, found);
  t.ok(existsSync(join(diff, 'journal')), 'an object: nothing is removed');
  rmSync(join(diff, 'objects', 'data'));
  discardFreshDiff(diff, { ...found, logFile: join(diff, 'log') });
  t.strictSame(
    readdirSync(diff).sort(),
    ['lost+found', 'mine', 'pbkfs.log'],
    "others' files stay, also where it was made",
  );
  for (const name of ['lost+found', 'mine', 'pbkfs.log']) rmSync(join(diff, name), { recursive: true });
  writeFileSync(join(diff, 'mine'), '');
  discardFreshDiff(diff, { created: true, there: [] });
  t.strictSame(readdirSync(diff), ['mine']);
  rmSync(join(diff, 'mine'));
  writeFileSync(join(diff, 'lock'), '');
  mkdirSync(join(diff, 'objects'));
  discardFreshDiff(diff, { created: true, there: [] });
  t.notOk(existsSync(diff));
});
