// fsck: what it says of sound, killed and broken diffs, that looking changes nothing, and what --repair does.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { noteClients } from '../../../src/fs/kernel-clients.js';
import { readBinding, writeBinding } from '../../../src/mount/diff/binding.js';
import { fsck, repairs } from '../../../src/mount/diff/fsck.js';
import { acquireDiffLock } from '../../../src/mount/diff/lock.js';
import { mountOn } from '../../../src/sys/mountinfo.js';
import { DirectOverlay } from '../../support/direct-overlay.js';
import { matchWhole } from '../../support/match-whole.js';
import { mountMissing, pbkfs } from '../../support/mount.js';
import { smallFiles } from '../../support/small-catalog.js';
import { fingerprint, workedCatalog, workedDiff, workedPage, workedRoot } from '../../support/worked-diff.js';
import { smallMount } from '../small-mount.js';

const silent = (message: string): never => {
  throw new Error(message);
};
const look = (diff: string) => fsck({ diff, repair: false }, silent);
const repair = (diff: string) => fsck({ diff, repair: true }, silent);

function content(diff: string): Map<string, Buffer> {
  const direct = new DirectOverlay({ catalog: workedCatalog, diff });
  const paths = ['base/1/100', 'base/1/101', 'base/1/raw', 'base/2/new', 'base/6/moved'];
  const found = new Map(paths.map((path) => [path, direct.readAll(path)]));
  if (direct.exists('base/2/200')) found.set('base/2/200', direct.readAll('base/2/200'));
  direct.close();
  return found;
}

t.test('a clean diff is sound and explained; looking changes nothing', (t) => {
  const diff = workedDiff(t, 'close');
  const before = fingerprint(diff);
  const result = look(diff);
  t.equal(fingerprint(diff), before);
  t.same(result.damage, []);
  t.same(repairs(result), []);
  t.match(result.journal, { closedCleanly: true, tornBytes: 0, cacheWasLost: false });
  const objects = new Map(result.objects.map((object) => [object.path, object]));
  t.match(objects.get('base/1/100'), { kind: 'blocks', state: 'durable', blocks: 2, length: 5 * 8192 });
  t.match(objects.get('base/1/raw'), { kind: 'blocks', blocks: 1, length: 20_000 });
  t.match(objects.get('base/6/moved'), { kind: 'blocks', length: 100 });
  t.match(objects.get('base/2/new'), { kind: 'file', state: 'durable', length: 9 });
  t.equal(objects.size, 4);
  t.match(result.names, { hidden: 2 });
  matchWhole(t, repair(diff).repaired, []);
  t.end();
});

t.test('a killed diff: un-synced files are named; --repair makes them durable and loses nothing', (t) => {
  const diff = workedDiff(t, 'kill');
  const before = fingerprint(diff);
  const result = look(diff);
  t.equal(fingerprint(diff), before);
  t.same(result.damage, []);
  t.match(result.journal, { closedCleanly: false, cacheWasLost: false });
  const states = new Map(result.objects.map(({ path, state }) => [path, state]));
  t.equal(states.get('base/1/100'), 'unsynced');
  t.equal(states.get('base/2/new'), 'unsynced');
  writeFileSync(join(diff, 'lost-writes'), '');
  t.match(look(diff).journal, { cacheWasLost: true }, 'a sync of it has failed');
  rmSync(join(diff, 'lost-writes'));
  const repaired = repair(diff);
  matchWhole(t, repaired.repaired, [/make \d files durable/, /compact/]);
  t.same(repairs(repaired), []);
  t.equal(repaired.binding.lastMount.state, 'clean');
  const found = content(diff);
  t.ok(
    found
      .get('base/1/100')!
      .subarray(3 * 8192, 4 * 8192)
      .equals(workedPage),
  );
  t.equal(found.get('base/2/new')!.toString(), 'made here');
  t.equal(found.get('base/6/moved')!.subarray(1).equals(smallFiles.get('base/1/small')!.subarray(1)), true);
  t.notOk(found.has('base/2/200'));
  t.end();
});

t.test(
  'a killed diff with a block map that says nothing: that file is damaged, unless the host has lost its cache',
  (t) => {
    const diff = workedDiff(t, 'kill');
    const { objectId } = look(diff).objects.find(({ path }) => path === 'base/1/100')!;
    truncateSync(join(diff, 'objects', `${objectId}.map`), 0);
    const told = ['base/1/100: its block map is empty'];
    t.same(look(diff).damage, told);
    matchWhole(t, repair(diff), { damage: told, repaired: [] });
    writeFileSync(join(diff, 'lost-writes'), '');
    const states = new Map(look(diff).objects.map(({ path, state }) => [path, state]));
    t.equal(states.get('base/1/100'), 'never durable');
    t.end();
  },
);

t.test('a killed diff: what was synced is durable, and what no name leads to any more an orphan', (t) => {
  const diff = workedDiff(t, 'kill');
  const direct = new DirectOverlay({ catalog: workedCatalog, diff });
  direct.write('base/1/101', 0, workedPage);
  direct.unlink('base/1/101');
  direct.kill();
  const { objects, orphans, damage } = look(diff);
  const states = new Map(objects.map(({ path, state }) => [path, state]));
  t.equal(states.get('base/1/100'), 'durable');
  t.notOk(states.has('base/1/101'));
  t.equal(orphans.length, 1);
  t.same(damage, []);
  t.end();
});

t.test('orphans and a torn journal tail are found and repaired', (t) => {
  const diff = workedDiff(t, 'kill');
  const orphan = 'f'.repeat(32);
  writeFileSync(join(diff, 'objects', orphan), Buffer.alloc(5000, 1));
  writeFileSync(join(diff, 'objects', `${'e'.repeat(32)}.map`), 'half');
  appendFileSync(join(diff, 'journal'), Buffer.alloc(37, 0x5a));
  const result = look(diff);
  t.same(result.orphans.map(({ objectId }) => objectId).sort(), ['e'.repeat(32), orphan]);
  t.equal(result.journal?.tornBytes, 37);
  matchWhole(t, repair(diff).repaired, [/cut 37 torn/, /remove 2 orphaned/, /durable/, /compact/]);
  const after = look(diff);
  t.same([after.orphans, after.journal?.tornBytes, after.damage], [[], 0, []]);
  t.end();
});

t.test('what was durable and is broken: told, and --repair leaves everything as it is', (t) => {
  const object = (diff: string, path: string): string => {
    const { objectId } = look(diff).objects.find((found) => found.path === path)!;
    return join(diff, 'objects', objectId);
  };
  const spoil = (file: string, at: number): void => {
    const bytes = readFileSync(file);
    bytes[at]! ^= 0xff;
    writeFileSync(file, bytes);
  };
  const cases: [string, (diff: string) => void, RegExp][] = [
    ['map of another file', (diff) => spoil(`${object(diff, 'base/1/100')}.map`, 50), /base\/1\/100: block map/],
    ['object gone', (diff) => rmSync(object(diff, 'base/1/raw')), /base\/1\/raw: its object is missing/],
    ['map gone', (diff) => rmSync(`${object(diff, 'base/1/raw')}.map`), /base\/1\/raw: its object is missing/],
    ['own file cut', (diff) => truncateSync(object(diff, 'base/2/new'), 4), /base\/2\/new: its object has 4 bytes/],
    ['journal broken', (diff) => spoil(join(diff, 'journal'), 40), /journal .* is broken/],
    ['journal header', (diff) => spoil(join(diff, 'journal'), 20), /journal .* broken header/],
  ];
  for (const [name, damage, wanted] of cases) {
    const diff = workedDiff(t, 'close');
    damage(diff);
    const before = fingerprint(diff);
    matchWhole(t, look(diff).damage, [wanted], name);
    matchWhole(t, repair(diff), { damage: [wanted], repaired: [] }, name);
    rmSync(join(diff, 'lock'));
    t.equal(fingerprint(diff), before, name);
  }
  t.end();
});

t.test('a mounted diff, no diff, a lost catalog: refused', (t) => {
  const diff = workedDiff(t, 'close');
  const lock = acquireDiffLock(diff, '/mnt/x');
  t.throws(() => look(diff), { code: 'diff_busy' });
  t.throws(() => repair(diff), { code: 'diff_busy' });
  lock.release();
  t.throws(() => look(join(workedRoot, 'absent')), { code: 'diff_foreign', message: /does not exist: no diff$/ });
  t.throws(() => look(workedCatalog), { code: 'diff_foreign' });
  t.throws(() => look(t.testdir()), { code: 'diff_foreign', message: /is empty: no diff$/ });
  t.throws(() => fsck({ diff, repair: false, catalog: workedRoot }, silent), { code: 'catalog_not_found' });
  const binding = readFileSync(join(diff, 'binding.json'), 'utf8');
  writeFileSync(join(diff, 'binding.json'), binding.replace(workedCatalog, '/nowhere'));
  t.throws(() => look(diff), { code: 'catalog_not_found', hint: /give its new place with -B/ });
  t.end();
});

t.test('a diff that programs may still write to is neither judged nor repaired', { skip: mountMissing }, async (t) => {
  const diff = workedDiff(t, 'kill');
  // Of a mount that was killed, whose connection is there as long as one has a file open.
  const { mountpoint } = await smallMount(t);
  noteClients(diff, mountOn(mountpoint)!.device);
  const fd = openSync(join(diff, 'objects', readdirSync(join(diff, 'objects'))[0]!), 'r+');
  const before = fingerprint(diff);
  for (const act of [look, repair]) t.throws(() => act(diff), { code: 'diff_busy', message: /still have files/ });
  rmSync(join(diff, 'lock'));
  t.equal(fingerprint(diff), before);
  closeSync(fd);
  t.same(look(diff).damage, []);
  matchWhole(t, repair(diff).repaired, [/durable/, /compact/]);
});

t.test('the command: explains in lines and JSON, exit 1 for damage', async (t) => {
  const diff = workedDiff(t, 'kill');
  const text = await pbkfs(['fsck', '-d', diff]);
  t.match(text, { status: 0, stderr: '' });
  t.match(text.stdout, /last mounted on \/mnt\/gone: was killed/);
  t.match(text.stdout, /base\/1\/100: unsynced/);
  t.match(
    text.stdout,
    /the diff is sound; the next mount, or --repair, will make \d files durable, compact the journal/,
  );
  t.match(await pbkfs(['fsck', '-d', diff, '--json']), { status: 0 });
  const json = await pbkfs(['fsck', '-d', diff, '--repair', '--json']);
  matchWhole(t, JSON.parse(json.stdout), { sound: true, pending: [], journal: { closedCleanly: true } });
  rmSync(join(diff, 'objects'), { recursive: true });
  const broken = await pbkfs(['fsck', '-d', diff]);
  t.match(broken, { status: 1, stdout: /damaged: base\/1\/100: its object is missing/ });
  const damage = await pbkfs(['fsck', '-d', diff, '--json']);
  const lost = ['base/1/100', 'base/1/raw', 'base/2/new', 'base/6/moved'];
  t.match(JSON.parse(damage.stdout), { sound: false });
  t.strictSame(
    (JSON.parse(damage.stdout) as { damage: string[] }).damage.sort(),
    lost.map((path) => `${path}: its object is missing`),
  );
  const refused = await pbkfs(['fsck', '-d', workedCatalog, '--json']);
  t.match(refused, { status: 1, stdout: '', stderr: /^\{"error"/ });
});

t.test('--repair keeps what a mount has written into the binding while it was waited for', async (t) => {
  const diff = workedDiff(t, 'kill');
  const before = readBinding(diff)!;
  const unwritten = { target: { kind: 'latest' }, timeline: 'current', action: 'pause' } as const;
  writeBinding(diff, { ...before, unwritten });
  const holder = fork(fileURLToPath(new URL('../fake/ending-mount.js', import.meta.url)), [
    diff,
    JSON.stringify(before),
  ]);
  await once(holder, 'message');
  t.equal(repair(diff).binding.unwritten, undefined);
  t.equal(readBinding(diff)?.unwritten, undefined, 'it has been written: the next mount must not write it again');
});
