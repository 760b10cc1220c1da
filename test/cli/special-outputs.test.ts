// Names under which there is no ordinary file, as /dev/null or /dev/stdout: no command puts a file in their place.

import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isFreeOrOrdinary } from '../../src/sys/ordinary-file.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { privateCatalog } from '../support/private-catalog.js';
import { temporaryDirectory } from '../support/swept.js';
import { madeUpSegment, nameOf } from '../support/wal-segment.js';

const base = temporaryDirectory('pbkfs-outputs-');
t.teardown(() => rmSync(base, { recursive: true }));
const device = join(base, 'null');
const link = join(base, 'stdout');
const linked = join(base, 'linked');

t.before(() => {
  if (process.getuid?.() === 0) execFileSync('mknod', [device, 'c', '1', '3']);
  else execFileSync('mkfifo', [device]);
  writeFileSync(linked, 'kept');
  symlinkSync(linked, link);
});

function untouched(message: string): void {
  t.notOk(lstatSync(device).isFile(), message);
  t.ok(lstatSync(link).isSymbolicLink(), message);
  t.equal(readFileSync(linked, 'utf8'), 'kept', message);
}

t.test('what counts as ordinary', async (t) => {
  t.strictSame([linked, join(base, 'new'), join(linked, 'x')].map(isFreeOrOrdinary), [true, true, true]);
  t.strictSame([device, link, base].map(isFreeOrOrdinary), [false, false, false]);
});

t.test('archive-get', async (t) => {
  const archive = join(base, 'catalog/wal/main');
  mkdirSync(archive, { recursive: true });
  writeFileSync(join(archive, nameOf(1)), madeUpSegment(1));
  for (const path of [device, link]) {
    const result = await pbkfs(['archive-get', '-B', join(base, 'catalog'), '-I', 'main', nameOf(1), path]);
    t.match(result, { status: 255, stderr: /no ordinary file, and would be replaced by one\nhint: / });
  }
  untouched('archive-get');
});

t.test('rescue, drill and mount', { skip: mountMissing }, async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const source = ['-B', catalog, '-I', 'a'];
  const query = ['-i', 'latest', '--database', 'app', '--query', 'select 1'];
  mkdirSync(join(base, 'mnt'));
  const mount = ['mount', ...source, '-i', 'latest', '-D', join(base, 'mnt'), '-d', join(base, 'diff')];
  for (const path of [device, link]) {
    const refused = { status: 2, stdout: '', stderr: /no ordinary file, and would be replaced by one\nhint: / };
    t.match(await pbkfs(['rescue', ...source, ...query, '-o', path]), refused);
    t.match(await pbkfs(['drill', ...source, '--metrics-file', path]), refused);
  }
  t.match(await pbkfs([...mount, '--pid-file', device]), { status: 1, stderr: /pid file .* is no ordinary file/ });
  untouched('rescue, drill, mount');
  t.match(await pbkfs(['rescue', ...source, ...query, '-o', '-']), { status: 2, stderr: /not on standard output/ });
});

t.test('a link to a directory is that directory', { skip: mountMissing }, async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const out = join(base, 'out');
  mkdirSync(out);
  symlinkSync(out, join(base, 'here'));
  const table = ['--table', 'app.public.t_shrink', '--format', 'csv', '-o', join(base, 'here')];
  const result = await pbkfs(['rescue', '-B', catalog, '-I', 'a', '-i', 'latest', ...table]);
  t.match(result, { status: 0 }, result.stderr);
  t.ok(lstatSync(join(base, 'here')).isSymbolicLink());
  t.match(readFileSync(join(out, 'app.public.t_shrink.csv'), 'utf8'), /^id,/);
});
