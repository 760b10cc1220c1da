// The journal: records come back, torn tails are cut, damage is refused, failures are not forgotten.

import fs from 'node:fs';
import t from 'tap';
import { Journal, NodeStorage } from '../../../src/overlay/diff/index.js';
import { JOURNAL_HEADER, recordSize } from '../../../src/overlay/diff/journal-format.js';
import { cuts } from './simulated-content.js';
import { SimulatedDisk } from './simulated-disk.js';

const PATH = 'diff/journal';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const texts = (records: readonly { payload: Uint8Array }[]): string[] =>
  records.map(({ payload }) => new TextDecoder().decode(payload));
const recordsOf = (disk: SimulatedDisk): string[] => texts(Journal.open(disk, PATH).records);

/** Flips a byte of a file, durably. */
function spoil(disk: SimulatedDisk, position: number): void {
  const fd = disk.open(PATH, 'write');
  const byte = new Uint8Array(1);
  disk.pread(fd, byte, 0, 1, position);
  byte[0] ^= 0x55;
  disk.pwrite(fd, byte, 0, 1, position);
  disk.fdatasync(fd);
}

t.test('records come back in order with their sequences, on a real file system', async (t) => {
  const path = `${t.testdir()}/journal`;
  const { journal, records } = Journal.open(new NodeStorage(), path);
  t.same(records, []);
  t.equal(journal.append(bytes('one')), 1);
  t.equal(journal.append(bytes('')), 2);
  t.same([journal.appended, journal.synced], [2, 0]);
  journal.sync();
  t.equal(journal.synced, 2);
  t.equal(journal.size, fs.statSync(path).size);
  journal.close();
  const again = Journal.open(new NodeStorage(), path);
  t.same(
    again.records.map(({ sequence, payload }) => [sequence, payload.length]),
    [
      [1, 3],
      [2, 0],
    ],
  );
  t.same([again.journal.appended, again.journal.synced], [2, 2]);
  again.journal.rewrite([bytes('all')]);
  t.equal(again.journal.append(bytes('more')), 4, 'sequences go on');
  t.same(texts(Journal.open(new NodeStorage(), path).records), ['all', 'more']);
  t.same(fs.readdirSync(path.slice(0, -'/journal'.length)), ['journal']);
});

t.test('a kill loses nothing appended, a power cut nothing synced', async (t) => {
  for (const cut of cuts) {
    const disk = new SimulatedDisk();
    const { journal } = Journal.open(disk, PATH);
    const all = Array.from({ length: 400 }, (_, i) => `record ${i} ${'x'.repeat(i % 50)}`);
    for (const [i, text] of all.entries()) {
      journal.append(bytes(text));
      if (i === 200) journal.sync();
    }
    const other = disk.clone();
    other.kill();
    t.same(recordsOf(other), all);
    disk.powerCut(() => cut, false);
    const left = recordsOf(disk);
    t.ok(left.length >= 201, `${left.length} records left after ${cut}`);
    t.same(left, all.slice(0, left.length), 'what is left is a beginning, also when later pages survived');
    t.same(recordsOf(disk), left, 'and stays');
  }
});

t.test('a torn tail is cut at any byte, and appending goes on', async (t) => {
  const disk = new SimulatedDisk();
  const { journal } = Journal.open(disk, PATH);
  journal.append(bytes('first'));
  const start = journal.size;
  journal.append(bytes('second record'));
  for (let size = start; size < journal.size; size++) {
    const torn = disk.clone();
    const fd = torn.open(PATH, 'write');
    torn.ftruncate(fd, size);
    torn.kill();
    const opened = Journal.open(torn, PATH);
    t.same(texts(opened.records), ['first'], `${size} bytes`);
    t.equal(opened.journal.append(bytes('third')), 2);
    t.same(recordsOf(torn), ['first', 'third']);
  }
});

t.test('damage to a record that later ones know to have been durable is refused', async (t) => {
  const disk = new SimulatedDisk();
  const { journal } = Journal.open(disk, PATH);
  journal.append(bytes('first'));
  journal.append(bytes('second'));
  journal.sync();
  journal.append(bytes('third'));
  const end = JOURNAL_HEADER + recordSize(5) + recordSize(6);
  for (let at = 0; at < end; at++) {
    const broken = disk.clone();
    spoil(broken, at);
    broken.kill();
    // Only the zeros that pad a payload to 8 bytes mean nothing.
    const padding = at >= JOURNAL_HEADER && (at - JOURNAL_HEADER) % 32 >= (at < JOURNAL_HEADER + 32 ? 29 : 30);
    if (padding) t.equal(recordsOf(broken).length, 3);
    else t.throws(() => Journal.open(broken, PATH), { code: 'diff_damaged', hint: /.+/ }, `byte ${at}`);
  }
});

t.test('damage within a rewritten journal is refused, although nothing follows', async (t) => {
  const disk = new SimulatedDisk();
  const { journal } = Journal.open(disk, PATH);
  journal.rewrite([bytes('first'), bytes('second')]);
  spoil(disk, JOURNAL_HEADER + recordSize(5) + 25);
  disk.kill();
  t.throws(() => Journal.open(disk, PATH), { code: 'diff_damaged' });
});

t.test('an append that fails is not in the journal, whatever part of it was written (traps 22, 35)', async (t) => {
  for (const half of [false, true]) {
    const disk = new SimulatedDisk();
    const { journal } = Journal.open(disk, PATH);
    journal.append(bytes('first'));
    disk.setFault({ kind: 'error', at: 0, code: 'ENOSPC', half, lasting: false });
    t.throws(() => journal.append(bytes('a record that does not fit, longer than the next')), { code: 'ENOSPC' });
    disk.setFault(undefined);
    const dead = disk.clone();
    dead.kill();
    t.same(recordsOf(dead), ['first']);
    t.equal(journal.append(bytes('second')), 2);
    journal.sync();
    disk.kill();
    t.same(recordsOf(disk), ['first', 'second']);
  }
});

t.test('a failed sync is not forgotten: every sync fails until a rewrite wrote all anew (trap 35)', async (t) => {
  const disk = new SimulatedDisk();
  const { journal } = Journal.open(disk, PATH);
  journal.append(bytes('first'));
  disk.setFault({ kind: 'error', at: 0, code: 'EIO', half: false, lasting: false });
  t.throws(() => journal.sync(), { code: 'EIO' });
  disk.setFault(undefined);
  t.throws(() => journal.sync(), { code: 'diff_sync_failed' });
  journal.noteSynced(1);
  t.equal(journal.synced, 0);
  journal.rewrite([bytes('first')]);
  journal.sync();
  t.equal(journal.synced, journal.appended);
});

t.test(
  'a sync done by another thread is noted, also one that a rewrite overtook: the file keeps its number',
  async (t) => {
    const disk = new SimulatedDisk();
    const { journal } = Journal.open(disk, PATH);
    const sequence = journal.append(bytes('first'));
    const { fd } = journal;
    disk.fdatasync(fd);
    journal.append(bytes('second'));
    journal.noteSynced(sequence);
    t.same([journal.synced, journal.appended], [1, 2]);
    journal.rewrite([bytes('both')]);
    t.equal(journal.fd, fd);
    journal.append(bytes('third'));
    journal.noteSynced(sequence);
    t.equal(journal.synced, 3);
    disk.fdatasync(fd);
    journal.noteSynced(4);
    t.equal(journal.synced, 4);
    disk.powerCut(() => 'lost', false);
    t.same(recordsOf(disk), ['both', 'third']);
    journal.noteSyncFailed();
    t.throws(() => journal.sync(), { code: 'diff_sync_failed' });
  },
);

t.test('a rewrite asks for millions of records one after the other', async (t) => {
  const disk = new SimulatedDisk();
  const { journal } = Journal.open(disk, PATH);
  let written = 0;
  disk.before = () => void written++;
  const before: number[] = [];
  function* payloads(): IterableIterator<Uint8Array> {
    for (let i = 0; i < 40; i++) {
      before.push(written);
      yield new Uint8Array(100_000).fill(i);
    }
  }
  journal.rewrite(payloads());
  t.ok(before.at(-1)! > before[0]! + 2, 'the first were written before the last was asked for');
  journal.append(bytes('more'));
  const { records } = Journal.open(disk, PATH);
  t.equal(records.length, 41);
  t.ok(records.slice(0, 40).every(({ payload }, i) => payload[0] === i && payload.length === 100_000));
  t.equal(records[40]!.sequence, 41);
});

t.test('records that cannot be had leave the journal as it was', async (t) => {
  const disk = new SimulatedDisk();
  const { journal } = Journal.open(disk, PATH);
  journal.append(bytes('kept'));
  function* payloads(): IterableIterator<Uint8Array> {
    yield bytes('one');
    throw new Error('no more');
  }
  t.throws(() => journal.rewrite(payloads()), { message: 'no more' });
  t.notOk(disk.has(`${PATH}.new`));
  journal.append(bytes('and this'));
  t.same(recordsOf(disk), ['kept', 'and this']);
});

t.test('more than 2 GiB are read into one piece of memory, as of a very long journal', async (t) => {
  const path = `${t.testdir({ short: 'content' })}/short`;
  const storage = new NodeStorage();
  const fd = storage.open(path, 'read');
  // Address space: what is not read to is never touched.
  const buffer = new Uint8Array(2 ** 31 + 8);
  t.equal(storage.pread(fd, buffer, 0, buffer.length, 0), 7);
  t.equal(new TextDecoder().decode(buffer.subarray(0, 7)), 'content');
  storage.close(fd);
});
