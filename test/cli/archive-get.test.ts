// archive-get as PostgreSQL's restore_command: exit statuses, and that the target is whole or not there.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { repoRoot } from '../support/paths.js';
import { temporaryDirectory } from '../support/swept.js';
import { madeUpSegment, nameOf } from '../support/wal-segment.js';

const { bin } = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')) as { bin: { pbkfs: string } };
const directory = temporaryDirectory('pbkfs-get-');
t.teardown(() => rmSync(directory, { recursive: true }));
const archive = join(directory, 'catalog/wal/main');
mkdirSync(archive, { recursive: true });
writeFileSync(join(archive, `${nameOf(1)}.gz`), gzipSync(madeUpSegment(1)));
writeFileSync(join(archive, `${nameOf(2)}.gz`), gzipSync(madeUpSegment(2)).subarray(0, 500));

/** As PostgreSQL runs it: in the data directory, with a relative path. */
function get(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(repoRoot, bin.pbkfs), 'archive-get', ...args], {
    cwd: directory,
    encoding: 'utf8',
  });
}

const source = ['-B', 'catalog', '-I', 'main'];

t.test('fetches a segment, in either way of saying what', async (t) => {
  t.match(get(...source, nameOf(1), 'RECOVERYXLOG'), { status: 0, stderr: '' });
  t.ok(readFileSync(join(directory, 'RECOVERYXLOG')).equals(madeUpSegment(1)));
  rmSync(join(directory, 'RECOVERYXLOG'));
  const named = [`--wal-file-path=RECOVERYXLOG`, `--wal-file-name=${nameOf(1)}`];
  t.match(get('-B', 'catalog', '--instance', 'main', ...named), { status: 0, stderr: '' });
  t.ok(readFileSync(join(directory, 'RECOVERYXLOG')).equals(madeUpSegment(1)));
  rmSync(join(directory, 'RECOVERYXLOG'));
});

t.test('1 says that there is none, and nothing else does', async (t) => {
  t.match(get(...source, nameOf(9), 'RECOVERYXLOG'), { status: 1, stderr: /is not in/ });
  t.match(get(...source, '00000002.history', 'RECOVERYXLOG'), { status: 1 });
  t.match(get(...source, nameOf(2), 'RECOVERYXLOG'), { status: 255, stderr: /cannot be decompressed.*\nhint: / });
  t.match(get('-B', 'elsewhere', '-I', 'main', nameOf(1), 'RECOVERYXLOG'), { status: 255, stderr: /no WAL archive/ });
  t.match(get(...source, nameOf(1), 'nowhere/RECOVERYXLOG'), {
    status: 255,
    stderr: /cannot write.*ENOENT\nhint: .*%p/,
  });
  t.match(get(...source, '../../etc/passwd', 'RECOVERYXLOG'), {
    status: 255,
    stderr: /not the name of a WAL file\nhint: .*%f/,
  });
  t.match(get(...source, nameOf(1)), { status: 255, stderr: /path to put it/ });
  t.match(get(...source, '--bogus'), { status: 255, stderr: /unknown option/ });
  t.match(get('--help'), { status: 0, stderr: '', stdout: /255 anything else/ });
  t.notMatch(get('--help').stdout, /2 {2}wrong options/, 'not those of the other commands');
  t.notOk(existsSync(join(directory, 'RECOVERYXLOG')));
  t.strictSame(readdirSync(directory), ['catalog'], 'nothing half-written either');
});

t.test('a last attempt that was killed is written over', async (t) => {
  writeFileSync(join(directory, 'RECOVERYXLOG.pbkfs-part'), 'half');
  t.equal(get(...source, nameOf(1), 'RECOVERYXLOG').status, 0);
  t.strictSame(readdirSync(directory).sort(), ['RECOVERYXLOG', 'catalog']);
});
