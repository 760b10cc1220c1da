import { appendFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { KernelWriteback } from '../../src/fs/kernel-writeback.js';
import { WRITEBACK_AFTER } from '../../src/overlay/data/unflushed.js';

t.test('large objects that were written since the last look, as long as they are open', async (t) => {
  const directory = t.testdir();
  const path = (name: string): string => join(directory, name);
  let begun: string[] = [];
  const kernel = new KernelWriteback((path) => void begun.push(path));
  t.teardown(() => kernel.stop());
  const look = async (): Promise<string[]> => {
    begun = [];
    await kernel.look();
    return begun;
  };
  for (const [name, size] of [
    ['large', WRITEBACK_AFTER],
    ['small', WRITEBACK_AFTER - 1],
  ] as const) {
    writeFileSync(path(name), '');
    truncateSync(path(name), size);
    kernel.opened(path(name));
  }
  kernel.opened(path('gone'));
  t.same(await look(), [path('large')]);
  t.same(await look(), [], 'nothing has changed');
  appendFileSync(path('large'), 'x');
  utimesSync(path('large'), 1, 1);
  appendFileSync(path('small'), 'x');
  t.same(await look(), [path('large'), path('small')]);
  kernel.closed(path('large'));
  utimesSync(path('large'), 2, 2);
  rmSync(path('small'));
  t.same(await look(), []);
});

t.test('looks by itself', async (t) => {
  const path = join(t.testdir({ file: '' }), 'file');
  truncateSync(path, WRITEBACK_AFTER);
  const begun = new Promise<string>((resolve) => {
    const kernel = new KernelWriteback((path) => {
      kernel.closed(path);
      resolve(path);
    });
    kernel.opened(path);
  });
  // The timer alone keeps no process alive.
  const alive = setInterval(() => undefined, 1000);
  t.equal(await begun, path);
  clearInterval(alive);
});
