// Every kind of damage that a diff can have: what fsck says of it, what --repair does, and that a mount never serves it
// as something else.

import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { UNSAFE_MARKER } from '../../../src/mount/diff/unsafe-marker.js';
import { matchWhole } from '../../support/match-whole.js';
import { pbkfs } from '../../support/mount.js';
import { fingerprint, shownBy, workedDiff, workedRoot } from '../../support/worked-diff.js';
import { binding, type Damage, harmless, hopeless, look, repair } from './diff-damage.js';

t.test('what cannot be repaired is told, refused by a mount, and left as it is', (t) => {
  for (const [name, damage, wanted] of hopeless) {
    const diff = workedDiff(t, 'close');
    damage(diff);
    const before = fingerprint(diff);
    t.match(look(diff).damage.join('\n'), wanted, name);
    matchWhole(t, repair(diff), { repaired: [] }, `${name}: nothing is repaired`);
    rmSync(join(diff, 'lock'));
    t.equal(fingerprint(diff), before, `${name}: --repair changes nothing`);
    t.throws(() => shownBy(diff), { code: /^(diff_damaged|EIO)$/ }, `${name}: not served`);
  }
  t.end();
});

t.test('what can be repaired is told and repaired, and nothing is lost', (t) => {
  const truth = shownBy(workedDiff(t, 'close'));
  for (const [name, end, damage, wanted] of harmless) {
    const diff = workedDiff(t, end);
    damage(diff);
    t.same(look(diff).damage, [], name);
    const { repaired } = repair(diff);
    if (wanted === null) t.same(repaired, [], `${name}: nothing to do`);
    else t.match(repaired.join('\n'), wanted, `${name}: repaired`);
    const after = look(diff);
    matchWhole(
      t,
      { damage: after.damage, orphans: after.orphans, torn: after.journal?.tornBytes },
      { damage: [], orphans: [], torn: 0 },
    );
    t.strictSame(shownBy(diff), truth, `${name}: the same files`);
  }
  t.end();
});

function refusalOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

interface Refusal {
  readonly code: string | RegExp;
  readonly hint?: RegExp;
  readonly message?: RegExp;
}

t.test('bindings: damaged, newer, of a backup that is not there, of another backup, gone', (t) => {
  const cases: [string, Damage, Refusal][] = [
    ['cut', (diff) => truncateSync(join(diff, 'binding.json'), 30), { code: 'diff_damaged', hint: /copy|empty/ }],
    ['empty', (diff) => truncateSync(join(diff, 'binding.json'), 0), { code: 'diff_damaged' }],
    [
      'newer',
      (diff) => binding(diff, (document) => Object.assign(document, { formatVersion: 9 })),
      { code: 'diff_foreign', hint: /newer pbkfs/ },
    ],
    [
      'catalog elsewhere',
      (diff) => binding(diff, (document) => Object.assign(document, { catalog: workedRoot })),
      { code: 'catalog_not_found' },
    ],
    [
      'no such backup',
      (diff) => binding(diff, ({ backup }) => Object.assign(backup, { backupId: 'ZZZZZZ' })),
      { code: /backup/ },
    ],
    [
      'gone',
      (diff) => rmSync(join(diff, 'binding.json')),
      { code: 'diff_foreign', message: /not empty and not a pbkfs diff/ },
    ],
  ];
  for (const [name, damage, wanted] of cases) {
    const diff = workedDiff(t, 'close');
    damage(diff);
    const before = fingerprint(diff);
    t.match(
      refusalOf(() => look(diff)),
      wanted,
      name,
    );
    t.match(
      refusalOf(() => repair(diff)),
      wanted,
      `${name}: not repaired`,
    );
    rmSync(join(diff, 'lock'), { force: true });
    t.equal(fingerprint(diff), before, `${name}: nothing changed`);
  }
  const diff = workedDiff(t, 'kill');
  binding(diff, ({ backup }) => Object.assign(backup, { startTime: 5 }));
  t.throws(() => repair(diff), { code: 'diff_foreign' }, 'another backup of the same id');
  t.end();
});

t.test('a diff without journal and objects has lost them if a mount has ended, and is new if none has', (t) => {
  for (const end of ['close', 'kill'] as const) {
    const diff = workedDiff(t, end);
    for (const name of ['journal', 'objects']) rmSync(join(diff, name), { recursive: true });
    const { damage } = look(diff);
    if (end === 'close') matchWhole(t, damage, [/has lost its journal/]);
    else t.same(damage, []);
    matchWhole(t, repair(diff), { damage, repaired: [] });
  }
  t.end();
});

t.test('what pbkfs did not make is named and stays; a diff without fsyncs is named, too', async (t) => {
  const diff = workedDiff(t, 'kill');
  writeFileSync(join(diff, 'notes.txt'), 'mine');
  mkdirSync(join(diff, 'objects/mine'));
  writeFileSync(join(diff, UNSAFE_MARKER), '');
  matchWhole(t, look(diff), { foreign: ['notes.txt'], unsafe: true, damage: [] });
  matchWhole(t, repair(diff).repaired, [/durable/, /compact/]);
  t.ok(existsSync(join(diff, 'notes.txt')) && existsSync(join(diff, 'objects/mine')));
  t.match(await pbkfs(['fsck', '-d', diff]), {
    status: 0,
    stdout: /not of pbkfs, and left alone: "notes\.txt"\n.*--perf-unsafe and not cleanly unmounted/,
  });
});

t.test('a diff copied while it was mounted: sound, or told to be broken, never something else', (t) => {
  const diff = workedDiff(t, 'kill');
  const truth = shownBy(diff);
  for (const name of readdirSync(join(diff, 'objects'))) {
    const copy = join(workedRoot, `copy-${name}`);
    t.teardown(() => rmSync(copy, { recursive: true, force: true }));
    cpSync(diff, copy, { recursive: true });
    rmSync(join(copy, 'objects', name));
    t.match(look(copy).damage.join('\n'), /missing/, name);
    const before = fingerprint(copy);
    matchWhole(t, repair(copy), { repaired: [] }, 'the rest is not repaired either');
    rmSync(join(copy, 'lock'), { force: true });
    t.equal(fingerprint(copy), before);
    t.throws(() => shownBy(copy), { code: 'diff_damaged' });
  }
  const whole = join(workedRoot, 'copy');
  t.teardown(() => rmSync(whole, { recursive: true, force: true }));
  cpSync(diff, whole, { recursive: true });
  t.strictSame(shownBy(whole), truth);
  t.end();
});
