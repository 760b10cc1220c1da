import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { EarlyWriteback } from '../../src/fs/early-writeback.js';
import { startWriteback } from '../../src/sys/page-cache.js';

t.test('one object at a time, each once however often it was asked for; what is gone is passed over', async (t) => {
  const directory = t.testdir({ a: 'a', b: 'b', c: 'c' });
  const begun: { fd: number; done: () => void }[] = [];
  let heard = (): void => undefined;
  const next = (): Promise<void> => new Promise((resolve) => (heard = resolve));
  const early = new EarlyWriteback((fd, done) => {
    begun.push({ fd, done });
    heard();
  });
  let arrived = next();
  for (const id of ['a', 'b', 'gone', 'b', 'c']) early.start(join(directory, id));
  for (const count of [1, 2, 3]) {
    await arrived;
    t.equal(begun.length, count, 'the next one begins when the last is done');
    arrived = next();
    begun.at(-1)!.done();
  }
  arrived = next();
  early.start(join(directory, 'a'));
  await arrived;
  t.equal(begun.length, 4, 'and again later');
  begun.at(-1)!.done();
});

t.test('the call itself: a file of ours, and what is no file', async (t) => {
  const path = join(t.testdir(), 'file');
  writeFileSync(path, 'data');
  for (const place of [path, '/dev/null']) {
    const fd = openSync(place, 'r');
    await new Promise<void>((resolve) => startWriteback(fd, resolve));
    closeSync(fd);
    t.pass(place);
  }
});
