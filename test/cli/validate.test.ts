// pbkfs validate as a program: exit status, one line a problem, JSON, nothing drawn into a pipe.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { backupIdOf } from '../../src/backup/index.js';
import { describeProgress } from '../../src/cli/progress-line.js';
import { startTime } from '../support/catalog-writer.js';
import { copyCatalog } from '../support/catalogs.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { run } from '../support/run.js';
import { writeSmallCatalog } from '../support/small-catalog.js';
import { temporaryDirectory } from '../support/swept.js';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

function directory(t: Test): string {
  const made = temporaryDirectory('pbkfs-validate-');
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

t.test('a good chain: exit 0, one line, and nothing else in a pipe', async (t) => {
  const catalog = await copyCatalog('mini', directory(t));
  const result = await pbkfs(['validate', '-B', catalog, '-I', 'a', '-i', 'latest', '-j', '2']);
  t.match(result, { status: 0, stderr: '' });
  t.match(result.stdout, /^backup TOU5PO is valid \(4 backups, 1524 files, [\d.]+ MiB, [\d.]+ s\)\n$/);
});

t.test(
  'a newest backup that is no good is told of, where the latest is asked for',
  { skip: mountMissing },
  async (t) => {
    const catalog = await copyCatalog('mini', directory(t));
    rmSync(join(catalog, 'backups/a/TOU5PO/backup.control'));
    const warning =
      /^pbkfs: warning: backup TOU5P9 is taken as the latest, not a newer one: .*TOU5PO .*backup\.control is missing\n/;
    t.match(await pbkfs(['validate', '-B', catalog, '-I', 'a', '-i', 'latest']), { status: 0, stderr: warning });
    const base = directory(t);
    mkdirSync(join(base, 'mount'));
    const where = ['-D', join(base, 'mount'), '--read-only'];
    t.match(await pbkfs(['mount', '-B', catalog, '-I', 'a', '-i', 'latest', ...where]), { status: 0, stderr: warning });
    t.match(await pbkfs(['unmount', '-D', join(base, 'mount')]), { status: 0 });
  },
);

interface Validated {
  readonly valid: boolean;
  readonly chain: readonly string[];
  readonly problems: readonly { readonly kind: string; readonly file: string }[];
  readonly warnings: Validated['problems'];
}

t.test('damage: exit 1, a line that names backup, file and block; the same as JSON', async (t) => {
  const catalog = writeSmallCatalog(join(directory(t), 'catalog'));
  const id = backupIdOf(startTime(1));
  const file = join(catalog, 'backups/main', id, 'database/base/2/200');
  const args = ['validate', '-B', catalog, '-I', 'main', '-i', backupIdOf(startTime(3)).toLowerCase()];
  const asJson = async () => {
    const { status, stdout } = await pbkfs([...args, '--json']);
    t.equal(status, 1);
    return JSON.parse(stdout) as Validated;
  };
  // It has no WAL, and its pages come from later than its end.
  const before = await asJson();
  t.strictSame([...new Set(before.warnings.map(({ kind }) => kind))], ['future']);
  const usual = new Set(before.problems.map((problem) => JSON.stringify(problem)));
  const bytes = readFileSync(file);
  bytes[8200 + 8 + 4000]! ^= 1;
  writeFileSync(file, bytes);
  const text = await pbkfs(args);
  t.equal(text.status, 1);
  t.match(
    text.stdout,
    new RegExp(`^backup ${id}, file base/2/200, block 1: page checksum \\d+, the header map says \\d+$`, 'm'),
  );
  t.match(text.stderr, /^pbkfs: warning: backup \w+, file \S+, block 0: its LSN \S+ is later than the backup's end/m);
  t.match(text.stdout, new RegExp(`^backup ${id}, file base/2/200: it has CRC \\d+, \\d+ is listed$`, 'm'));
  const result = await asJson();
  t.equal(result.valid, false);
  t.equal(result.chain.length, 3);
  t.strictSame(
    result.problems
      .filter((problem) => !usual.has(JSON.stringify(problem)))
      .map((problem) => `${problem.kind} ${problem.file}`)
      .sort(),
    ['file base/2/200', 'page base/2/200'],
  );
});

t.test('what cannot be validated at all: exit 1 with the reason; wrong options: exit 2', async (t) => {
  const catalog = writeSmallCatalog(join(directory(t), 'catalog'));
  t.match(await pbkfs(['validate', '-B', catalog, '-I', 'main', '-i', 'ZZZ']), { status: 1, stderr: /no backup ZZZ/ });
  t.match(await pbkfs(['validate', '-B', catalog, '-I', 'main']), { status: 2, stderr: /backup-id/ });
  const id = backupIdOf(startTime(2));
  rmSync(join(catalog, 'backups/main', id, 'backup_content.control'));
  t.match(await pbkfs(['validate', '-B', catalog, '-I', 'main', '-i', id]), {
    status: 1,
    stderr: new RegExp(`^pbkfs: backup ${id} cannot be read: its backup_content.control is missing\nhint: `),
  });
});

const PTY = '/usr/bin/script';

t.test(
  'on a terminal: share, rate and time left while it runs, one line at the end',
  { skip: existsSync(PTY) ? false : 'script(1) is not installed (Debian: bsdutils)' },
  async (t) => {
    const catalog = await copyCatalog('mini', directory(t));
    const command = `stty cols 120; exec "$NODE" "$CLI" validate -B "${catalog}" -I a -i latest -j 2`;
    const env = { NODE: process.execPath, CLI, SHELL: '/bin/sh' };
    const { status, stdout } = await run(PTY, ['-qec', command, '/dev/null'], { env, timeout: 300_000 });
    t.equal(status, 0);
    const drawn = stdout.split(/[\r\n]+/);
    t.ok(
      drawn.some((line) => /^\[-{24}\] +0% +0 B of [\d.]+ MiB/.test(line)),
      'it begins at once',
    );
    t.ok(
      drawn.some((line) => /^\[#{24}\] 100% +([\d.]+ MiB) of \1 +[\d.]+ [KMG]iB\/s +0 s left/.test(line)),
      'share, rate and time left',
    );
    t.ok(stdout.includes('\u001b[Kbackup TOU5PO is valid (4 backups'), 'the line is cleared for the verdict');
    t.match(
      await run(PTY, ['-qec', `exec "$NODE" "$CLI" validate -B "${catalog}" -I a -i TOU5`, '/dev/null'], { env }),
      {
        status: 1,
      },
    );
  },
);

t.test('the progress bar tells share, rate and time left', (t) => {
  t.equal(
    describeProgress(50 << 20, 100 << 20, 2),
    '[############------------]  50%  50.0 MiB of 100 MiB  25.0 MiB/s  2 s left',
  );
  t.match(describeProgress(1 << 20, 10_000 * 2 ** 20, 1), /2 h 46 min left/);
  t.match(describeProgress(0, 0, 0), /\[#{24}\] 100%/);
  t.end();
});
