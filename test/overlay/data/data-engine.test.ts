// What a data thread's access to files holds to, whatever kind of file it is.

import { Worker } from 'node:worker_threads';
import t from 'tap';
import { takeTicket } from '../../../src/pending/barrier.js';
import type { DirectOverlay } from '../../support/direct-overlay.js';
import { smallFiles } from '../../support/small-catalog.js';
import { smallDiffs } from '../../support/small-diffs.js';

const { newDiff, mount } = smallDiffs();
const block = Buffer.alloc(8192, 7);
const BASED = 'base/1/100';
const MADE = 'base/1/made';

/** A mount with a file of the backup and one made on it, both with an object. */
function mounted(): DirectOverlay {
  const direct = mount(newDiff());
  direct.keepInodes = true;
  direct.create(MADE).write(0, block);
  direct.write(BASED, 0, block);
  return direct;
}

/** Completes a ticket as soon as somebody waits for it, and says so in `seen`. */
const completer = `
  const { words, at, seen } = require('node:worker_threads').workerData;
  for (let i = 0; i < 2000 && Atomics.load(words, at + 2) === 0; i++) Atomics.wait(seen, 0, 0, 5);
  Atomics.store(seen, 0, Atomics.load(words, at + 2));
  Atomics.add(words, at + 1, 1);
  Atomics.notify(words, at + 1);`;

for (const path of [BASED, MADE]) {
  for (const what of ['read', 'fsync'] as const) {
    t.test(`a ${what} waits for the change that came before it: ${path}`, async (t) => {
      const direct = mounted();
      const { table } = direct.shared;
      const at = table.barrier(direct.open(path).inode.row);
      const seen = new Int32Array(new SharedArrayBuffer(4));
      takeTicket(table.words, at);
      const worker = new Worker(completer, { eval: true, workerData: { words: table.words, at, seen } });
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      if (what === 'read') t.ok(direct.read(path, 0, 8192).equals(block));
      else direct.fsync(path);
      t.equal(Atomics.load(seen, 0), 1);
      Atomics.notify(seen, 0);
      await ended;
      direct.close();
    });
  }
}

t.test('what ends beyond the last position that a number says exactly is refused and changes nothing', async (t) => {
  const direct = mounted();
  const end = Number.MAX_SAFE_INTEGER;
  for (const path of [BASED, MADE, 'base/1/101']) {
    const { size } = direct.stat(path);
    for (const position of [end - 8191, end + 1, 2 ** 62]) {
      t.throws(() => direct.write(path, position, block), { code: 'EFBIG' }, `write at ${position}`);
      t.throws(() => direct.fallocate(path, position, 8192), { code: 'EFBIG' }, `fallocate at ${position}`);
      t.throws(() => direct.truncate(path, position + 8192), { code: 'EFBIG' }, `truncate to ${position} + 8192`);
    }
    t.equal(direct.stat(path).size, size);
  }
  t.ok(direct.readAll('base/1/101').equals(smallFiles.get('base/1/101')!));
  direct.close();
});
