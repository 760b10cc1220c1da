import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createLogger } from '../src/log.js';

t.test('lines-have-time-level-message-and-quoted-fields', async (t) => {
  const path = join(t.testdir(), 'log');
  const fd = openSync(path, 'a');
  const log = createLogger(fd);
  log.info('mounted', { pid: 7, path: '/mnt/a b', empty: '', text: 'x="y"\nz', missing: undefined });
  log.warn('w');
  closeSync(fd);
  const [first, second] = readFileSync(path, 'utf8').split('\n');
  t.match(first, /^\d{4}-\d\d-\d\dT[\d:.]+Z INFO mounted pid=7 path="\/mnt\/a b" empty="" text="x=\\"y\\"\\nz"$/);
  t.match(second, / WARN w$/);
});

t.test('a-log-that-cannot-be-written-harms-nobody', async () => {
  createLogger(-1).error('lost');
});
