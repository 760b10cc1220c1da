import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Binding, checkIdentity, readBinding, writeBinding } from '../../../src/mount/diff/binding.js';
import { temporaryDirectory } from '../../support/swept.js';

const binding: Binding = {
  catalog: '/backup/каталог',
  backup: { instance: 'main', backupId: 'TOU5PO', startTime: 1795236972, systemIdentifier: '7710483872181884041' },
  lastMount: { pid: 7, startTime: 8, bootId: 'b', mountpoint: '/mnt/pg', state: 'failed', error: 'ENOSPC' },
};

function scratch(t: Test): string {
  const dir = temporaryDirectory('pbkfs-binding-');
  t.teardown(() => rmSync(dir, { recursive: true }));
  return dir;
}

t.test('is-read-as-it-was-written-and-leaves-no-temporary-file', async (t) => {
  const diff = scratch(t);
  t.equal(readBinding(diff), undefined);
  writeBinding(diff, binding);
  t.match(JSON.parse(readFileSync(join(diff, 'binding.json'), 'utf8')), { format: 'pbkfs diff', formatVersion: 1 });
  t.strictSame(readBinding(diff), binding);
  const owned: Binding = { ...binding, lastMount: { ...binding.lastMount, owner: { uid: 26, gid: 27 } } };
  writeBinding(diff, owned);
  t.strictSame(readBinding(diff), owned);
  t.strictSame(readdirSync(diff), ['binding.json']);
});

t.test('a-damaged-one-is-refused-naming-the-fault', async (t) => {
  const diff = scratch(t);
  const path = join(diff, 'binding.json');
  writeBinding(diff, binding);
  const whole = readFileSync(path, 'utf8');
  for (const [text, message] of [
    ['', /is damaged: .*JSON/],
    [whole.slice(0, -20), /is damaged: .*JSON/],
    ['[]', /is damaged: no format/],
    ['null', /is damaged: it is no object/],
    [whole.replace('pbkfs diff', 'other'), /it was not written by pbkfs/],
    [whole.replace('"startTime": 1795236972', '"startTime": "x"'), /no backup\.startTime/],
    [whole.replace('"failed"', '"flying"'), /unknown state flying/],
  ] as const) {
    writeFileSync(path, text);
    t.throws(() => readBinding(diff), { code: 'diff_damaged', message, hint: /copy/ });
  }
});

t.test('a-newer-format-is-refused', async (t) => {
  const diff = scratch(t);
  writeFileSync(join(diff, 'binding.json'), '{"format":"pbkfs diff","formatVersion":2}');
  t.throws(() => readBinding(diff), { code: 'diff_foreign', message: /format 2/, hint: /newer pbkfs/ });
});

t.test('another-backup-is-refused-a-moved-catalog-is-not', async (t) => {
  const { backup } = binding;
  checkIdentity('/diff', binding, backup);
  checkIdentity('/diff', binding, { ...backup, systemIdentifier: '' });
  checkIdentity('/diff', { ...binding, backup: { ...backup, systemIdentifier: '' } }, backup);
  for (const [change, message] of [
    [{ instance: 'other' }, /instance other instead of main/],
    [{ backupId: 'TOU5P9' }, /backup TOU5P9 instead of TOU5PO/],
    [{ startTime: 1 }, /another backup with the id TOU5PO/],
    [{ systemIdentifier: '1' }, /system identifier 1 instead of 7710483872181884041/],
  ] as const) {
    t.throws(() => checkIdentity('/diff', binding, { ...backup, ...change }), { code: 'diff_foreign', message });
  }
});
