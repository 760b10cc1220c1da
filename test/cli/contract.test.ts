// What scripts may rely on: help, exit statuses, the shape of `show --json`, errors as text and as JSON.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { copyCatalog, extractCatalog } from '../support/catalogs.js';
import { matchWhole } from '../support/match-whole.js';
import { CLI, pbkfs } from '../support/mount.js';
import { repoRoot } from '../support/paths.js';
import { privateCatalog } from '../support/private-catalog.js';
import { run } from '../support/run.js';
import { definitions } from '../support/schema.js';

/** The table of docs/cli.md. */
const documented = [
  ...readFileSync(join(repoRoot, 'docs/cli.md'), 'utf8').matchAll(/^\| `([a-z-]+)` \| .* \| (?:`([a-z-]+)` )?\|$/gm),
].map(([, command, schema]) => ({ command, schema }));

t.test('every-command-has-help-with-an-example-and-the-exit-statuses', async (t) => {
  const top = await pbkfs(['--help']);
  t.equal(top.status, 0);
  const commands = [...top.stdout.matchAll(/^ {2}([a-z-]+)[ |]/gm)]
    .map((match) => match[1])
    .filter((name) => name !== 'help');
  t.strictSame(
    documented.map(({ command }) => command),
    commands,
    'docs/cli.md has them all, in the same order',
  );
  for (const command of commands) {
    const { status, stdout, stderr } = await pbkfs([command, '--help']);
    t.equal(status, 0);
    t.equal(stderr, '');
    t.match(stdout, /Examples?:\n {2}pbkfs /);
    t.match(stdout, command === 'archive-get' ? /Exit status, as PostgreSQL wants it/ : /Exit status:\n {2}0 {2}done/);
    const schema = documented.find((row) => row.command === command)?.schema;
    t.equal(schema !== undefined, /^ {2}--json /m.test(stdout), `docs/cli.md on the JSON of ${command}`);
    if (schema !== undefined) t.ok(definitions.includes(schema), `cli.schema.json has ${schema}`);
  }
});

t.test('usage-errors-give-exit-2', async (t) => {
  for (const [args, message] of [
    [[], /^Usage: pbkfs/],
    [['bogus'], /^pbkfs: unknown command 'bogus'/],
    [['unmount', '-D', '/x', '--bogus'], /^pbkfs: unknown option '--bogus'/],
    [['unmount'], /^pbkfs: say what to unmount: either a mount point \(-D\) or a diff \(-d\)\n/],
    [['unmount', '/x', '-D', '/x'], /^pbkfs: the mount point is given twice/],
    [['unmount', '/x', '-d', '/y'], /^pbkfs: say what to unmount/],
    [['mount', '/backup', '-D', '/x', '-d', '/y'], /^pbkfs: pbkfs mount does not know what '\/backup' is\nhint: .*-B/],
    [['mount', '-B', '~/backups'], /^pbkfs: option '-B, .* Nobody has replaced the ~/],
    [['unmount', '-D', '/x', '-d', '/y'], /^pbkfs: say what to unmount/],
    [['unmount', '-D', '/x', '--lazy', '--force'], /^pbkfs: --force and --lazy exclude each other/],
    [['unmount', '-D', '/x', '--stop-timeout', '-1'], /^pbkfs: option '--stop-timeout <seconds>' .*from 0 to 86400/],
    [['stat'], /^pbkfs: the mount point is missing\nhint: pbkfs list shows all/],
    [['stat', '/x', '-D', '/x'], /^pbkfs: the mount point is given twice/],
    [['stat', '/x', '--format', 'xml'], /^pbkfs: option '--format <format>' .*one of text, json/],
    [['stat', '/x', '--watch', '0'], /^pbkfs: option '--watch \[seconds\]' .*from 0.1 to 86400/],
    [['sync'], /^pbkfs: the mount point is missing/],
    [['stop'], /^pbkfs: the mount point is missing/],
    [['cleanup'], /^pbkfs: required option '-d, --diff <dir>' not specified\nhint: or --sessions/],
    [['show'], /^pbkfs: required option '-B/],
    [['show', '-B'], /^pbkfs: option '-B, --backup-path <catalog>' argument missing/],
    [['version', 'extra'], /^pbkfs: too many arguments/],
    [['mount', '-D', '/x', '-d', '/y', '--threads', '0'], /^pbkfs: option '--threads <number>' .*from 1 to 16/],
    [['mount', '-D', '/x', '-d', '/y', '--uid', 'postgres'], /^pbkfs: option '--uid <number>' .*whole number/],
  ] as const) {
    const { status, stdout, stderr } = await pbkfs(args);
    t.equal(status, 2, args.join(' '));
    t.equal(stdout, '');
    t.match(stderr, message);
  }
  const environment = await pbkfs(['mount', '-D', '/x', '-d', '/y'], { PBKFS_MATERIALIZE_ON_READ: 'maybe' });
  t.match(environment, {
    status: 2,
    stderr: /PBKFS_MATERIALIZE_ON_READ = 'maybe' is invalid. It must be true or false/,
  });
});

t.test('a path that is not UTF-8, or relative to nothing, is refused and not taken for another one', async (t) => {
  const base = t.testdir({ catalog: {}, mnt: {} });
  const shell = (script: string) => run('sh', ['-c', script, process.execPath, CLI, base]);
  const mount = 'exec "$0" "$1" mount -B "$2/catalog" -I main -i latest -D "$2/mnt"';
  t.match(await shell(`${mount} -d "$2/$(printf 'd\\377')"`), { status: 2, stderr: /-d, --diff <dir>.*must be UTF-8/ });
  t.match(await shell(`mkdir "$2/$(printf 'w\\377')" && cd "$2/$(printf 'w\\377')" && ${mount} -d diff`), {
    status: 2,
    stderr: /must be UTF-8/,
  });
  // What tap has every Node load wants a working directory.
  const gone = await shell(
    'unset NODE_OPTIONS; mkdir "$2/gone" && cd "$2/gone" && rmdir "$2/gone" && exec "$0" "$1" mount -D mnt -d "$2/diff"',
  );
  t.match(gone, { status: 2, stderr: /^pbkfs: option '-D, --mountpoint <dir>'.*working directory has been removed/ });
  t.strictSame(readdirSync(base, 'latin1').sort(), ['catalog', 'mnt', 'w\xff'], 'nothing was made under another name');
});

t.test('a working directory that has been removed is no matter', async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const script = 'unset NODE_OPTIONS; cd "$2" && rmdir "$2" && cli=$1 && shift 2 && exec "$0" "$cli" "$@"';
  const validate = ['validate', '-B', catalog, '-I', 'a', '-i', 'latest', '-j', '2'];
  const gone = join(t.testdir({ gone: {} }), 'gone');
  const result = await run('sh', ['-c', script, process.execPath, CLI, gone, ...validate]);
  t.match(result, { status: 0, stderr: '', stdout: /is valid/ });
});

t.test('version-is-that-of-the-package', async (t) => {
  const { version } = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')) as { version: string };
  t.match(await pbkfs(['version']), { status: 0, stdout: `pbkfs ${version} (Node ${process.version}` });
  t.match(await pbkfs(['--version']), { status: 0, stdout: `${version}\n` });
});

t.test('show-draws-chains-as-trees-and-says-why-not', async (t) => {
  const catalog = join(await extractCatalog('states'), 'catalog');
  const { status, stdout } = await pbkfs(['show', '-B', catalog]);
  t.equal(status, 0);
  t.match(stdout, /^INSTANCE main {2}system identifier 7710473434107318648\n {2}ID +MODE +WAL +STARTED/);
  t.match(
    stdout,
    /\n {2}TOU3W7 +FULL +STREAM +2026-11-21 04:16:55 +10\.3 MiB +30\.2 MiB +OK +yes\n {2}└ TOU3WI +DELTA .* yes\n {4}└ TOU3WS .*CORRUPT +no: its status is CORRUPT/,
  );
});

t.test('show-json-has-every-instance-and-chain', async (t) => {
  const catalog = join(await extractCatalog('mini'), 'catalog');
  const text = (await pbkfs(['show', '-B', catalog, '--json'])).stdout;
  const all = JSON.parse(text) as {
    instances: { instance: string }[];
  };
  t.strictSame(
    all.instances.map(({ instance }) => instance),
    ['a', 'b'],
  );
  const one = await pbkfs(['show', '-B', catalog, '-I', 'b', '--json']);
  matchWhole(t, JSON.parse(one.stdout), {
    catalog,
    instances: [
      {
        instance: 'b',
        systemIdentifier: '7710483876546405613',
        backups: [
          {
            id: 'TOU5PC',
            mode: 'DELTA',
            status: 'OK',
            parentId: 'TOU5P5',
            chain: ['TOU5OI', 'TOU5P5', 'TOU5PC'],
            mountable: true,
            reason: null,
            startTime: '2026-11-21T04:56:00Z',
            stream: true,
            dataBytes: Number,
          },
          { id: 'TOU5P5' },
          { id: 'TOU5OI', parentId: null, chain: ['TOU5OI'] },
        ],
      },
    ],
  });
});

t.test('show-lists-broken-backups-beside-good-ones (trap 11)', async (t) => {
  const catalog = await copyCatalog('mini', t.testdir());
  const { truncateSync } = await import('node:fs');
  truncateSync(join(catalog, 'backups', 'a', 'TOU5OE', 'backup.control'), 10);
  const { status, stdout } = await pbkfs(['show', '-B', catalog, '--json']);
  t.equal(status, 0);
  const { instances } = JSON.parse(stdout) as {
    instances: { backups: { id: string; mountable: boolean; reason: string }[] }[];
  };
  t.strictSame(
    instances.map(({ backups }) => backups.map(({ id, mountable }) => `${id} ${mountable}`)),
    [
      ['TOU5PO false', 'TOU5P9 false', 'TOU5OV false', 'TOU5OE false'],
      ['TOU5PC true', 'TOU5P5 true', 'TOU5OI true'],
    ],
  );
  t.match(instances[0].backups[0].reason, /TOU5OE/);
  t.equal((await pbkfs(['show', '-B', catalog])).status, 0);
});

t.test('errors-of-json-output-are-json', async (t) => {
  const missing = await pbkfs(['show', '-B', '/nonexistent', '--json']);
  t.equal(missing.status, 1);
  t.equal(missing.stdout, '');
  t.match(JSON.parse(missing.stderr), { error: { code: 'catalog_not_found', message: /\/nonexistent/, hint: String } });
  const usage = await pbkfs(['show', '--json']);
  t.equal(usage.status, 2);
  t.match(JSON.parse(usage.stderr), { error: { code: 'usage', message: /required option/ } });
  t.match(await pbkfs(['show', '-B', '/nonexistent']), { status: 1, stderr: /^pbkfs: .*\nhint: .*\n$/ });
});

t.test('unmounting-what-is-not-mounted-gives-exit-1', async (t) => {
  t.match(await pbkfs(['unmount', '-D', t.testdir()]), {
    status: 1,
    stderr: /^pbkfs: nothing is mounted on .*\nhint: "pbkfs list" shows all mounts\n/,
  });
  t.match(await pbkfs(['unmount', '-d', '/nowhere']), {
    status: 1,
    stderr: /^pbkfs: the diff \/nowhere is not mounted\nhint: there is no such directory; "pbkfs list"/,
  });
});
