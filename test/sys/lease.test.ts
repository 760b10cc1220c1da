import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isOpenForWriting } from '../../src/sys/lease.js';

t.test('whether a file is open for writing, by whomever', async (t) => {
  const path = join(t.testdir({ file: 'content' }), 'file');
  t.equal(isOpenForWriting(path), false);
  const reader = openSync(path, 'r');
  t.equal(isOpenForWriting(path), false, 'a reader does not count');
  const writer = openSync(path, 'r+');
  t.equal(isOpenForWriting(path), true);
  t.equal(isOpenForWriting(path), true, 'asked again');
  closeSync(writer);
  t.equal(isOpenForWriting(path), false);
  closeSync(openSync(path, 'r+'));
  t.pass('the lease was given back: somebody can open it for writing at once');
  closeSync(reader);
});
