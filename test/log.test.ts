import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createLogger, LineLimit } from '../src/log.js';

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

t.test('a-log-that-cannot-be-written-harms-nobody', async (t) => {
  const log = createLogger(-1);
  t.doesNotThrow(() => log.error('lost'));
});

t.test('json is one object a line, and levels below the wanted one are not written', async (t) => {
  const path = join(t.testdir(), 'log');
  const fd = openSync(path, 'a');
  const log = createLogger({ fd, format: 'json', level: 'warn' });
  log.info('not wanted');
  t.notOk(log.debugs);
  log.warn('two\nlines', { block: 7 });
  closeSync(fd);
  const line = JSON.parse(readFileSync(path, 'utf8')) as object;
  t.match(line, { level: 'warn', time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, message: 'two\nlines', block: 7 });
});

t.test('journal lines carry their priority, each of a stack its own', async (t) => {
  const path = join(t.testdir(), 'log');
  const fd = openSync(path, 'a');
  createLogger({ fd, format: 'journal', level: 'debug' }).error('Error: x\n    at y', { file: 'a' });
  closeSync(fd);
  t.equal(readFileSync(path, 'utf8'), '<3>Error: x\n<3>    at y file=a\n');
});

t.test('a flood of one kind of line is cut off, and counted', async (t) => {
  const limit = new LineLimit(3);
  const lines: object[] = [];
  for (let n = 0; n < 100; n++) limit.pass((fields) => lines.push(fields), 1000 + n);
  t.strictSame(lines, [{}, {}, {}]);
  limit.pass((fields) => lines.push(fields), 12_000);
  t.strictSame(lines.at(-1), { suppressed: 97 });
});
