// Where the options of `pbkfs mount` come from: every one of the table, by flag, environment and file.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, type Option } from 'commander';
import t, { type Test } from 'tap';
import { mountOptions } from '../../src/cli/mount-options.js';
import { catalogOfEnvironment, completeOptions, nameOf, variableOf } from '../../src/cli/settings.js';
import { extractCatalog } from '../support/catalogs.js';
import { pbkfs } from '../support/mount.js';

/** Two different good values and a bad one for what stands between < and >. */
const samples: Readonly<Record<string, readonly [string, string, string | null]>> = {
  catalog: ['/one', '/two', null],
  dir: ['/one', '/two', null],
  file: ['/one', '/two', null],
  name: ['main', 'other', null],
  id: ['TOU5PO', 'latest', null],
  seconds: ['10', '20', '0'],
  interval: ['10', '0', '-1'],
  number: ['1', '2', '-1'],
  address: ['127.0.0.1:9200', 'unix:/run/pbkfs.sock', 'http://x'],
  size: ['20GB', '1.5TiB', '20 apples'],
  data: ['hot', 'hot', 'cold'],
  memory: ['64MB', '1.5GB', '3GB'],
  kib: ['512', '4096', 'far'],
  how: ['checksum', 'off', 'maybe'],
  level: ['debug', 'warn', 'loud'],
  format: ['text', 'json', 'xml'],
  sink: ['file', 'journald', 'nowhere'],
  time: ['2026-11-21 04:28:33.5+00', '2026-11-21 07:28:33+03:00', 'yesterday'],
  lsn: ['0/3000060', '1A/0', '3000060'],
  xid: ['814', '815', '-1'],
  what: ['immediate', 'latest', 'soon'],
  timeline: ['latest', '2', 'newest'],
  backend: ['fuse-native', 'kernel', 'other'],
  boolean: ['false', 'true', 'maybe'],
  action: ['promote', 'shutdown', 'explode'],
  command: ['cp /a/%f %p', 'false', null],
  text: ['host=a', 'host=b', null],
};

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

function samplesOf(option: Option): readonly [string, string, string | null] {
  if (!takesValue(option)) return ['true', 'false', 'maybe'];
  const placeholder = /[<[](.+)[>\]]/.exec(option.flags)![1]!;
  const found = samples[placeholder];
  if (found === undefined) throw new Error(`no samples for ${option.flags}`);
  return found;
}

/** The option's value as the mount command would see it. */
function resolved(option: Option, flag: string | null, env: string | null, file: string | null, path: string): unknown {
  const command = new Command('mount').exitOverride();
  for (const each of mountOptions()) command.addOption(each);
  const args = flag === null ? [] : takesValue(option) ? [option.long!, flag] : [option.long!];
  const environment: Record<string, string> = env === null ? {} : { [variableOf(option)]: env };
  if (file !== null) {
    writeFileSync(path, `[mount]\n${nameOf(option)} = ${takesValue(option) ? JSON.stringify(file) : file}\n`);
    environment.PBKFS_CONFIG = path;
  }
  command.parse(args, { from: 'user' });
  completeOptions(command, environment);
  return command.opts()[option.attributeName()];
}

for (const option of mountOptions()) {
  if (option.long === '--config') continue;
  t.test(`${option.long}: flag before ${variableOf(option)} before file`, async (t: Test) => {
    const path = join(t.testdir(), 'pbkfs.toml');
    const [one, two, bad] = samplesOf(option);
    const byFlag = resolved(option, one, null, null, path);
    t.not(byFlag, undefined);
    t.strictSame(resolved(option, null, one, null, path), byFlag, 'environment');
    t.strictSame(resolved(option, null, null, one, path), byFlag, 'file');
    t.strictSame(resolved(option, one, two, two, path), byFlag, 'flag first');
    t.strictSame(resolved(option, null, one, two, path), byFlag, 'environment second');
    // --prefetch has one value only.
    if (two !== one)
      t.strictNotSame(resolved(option, null, two, one, path), byFlag, 'environment second, also to switch off');
    if (bad === null) return;
    t.throws(() => resolved(option, null, bad, null, path), {
      code: 'usage',
      message: new RegExp(`${variableOf(option)} = '${bad}' is invalid`),
    });
    if (takesValue(option)) {
      t.throws(() => resolved(option, null, null, bad, path), {
        code: 'usage',
        message: new RegExp(`${path}: ${nameOf(option)} = '${bad}' is invalid`),
      });
    }
  });
}

t.test('--metrics-listen without an address is the loopback interface, by flag, environment and file', async (t) => {
  const option = mountOptions().find(({ long }) => long === '--metrics-listen')!;
  const path = join(t.testdir(), 'pbkfs.toml');
  const command = new Command('mount').exitOverride();
  for (const each of mountOptions()) command.addOption(each);
  command.parse(['--metrics-listen', '-D', '/x'], { from: 'user' });
  t.match(command.opts(), { metricsListen: '127.0.0.1', mountpoint: '/x' });
  t.equal(resolved(option, null, 'true', null, path), '127.0.0.1');
  t.equal(resolved(option, null, null, 'on', path), '127.0.0.1');
  t.equal(resolved(option, null, 'off', 'on', path), undefined, 'switched off');
  t.equal(resolved(option, null, '9200', null, path), '9200', 'a port is no switch');
});

t.test('help shows every variable, the file and the order', async (t) => {
  const { stdout } = await pbkfs(['mount', '--help']);
  const text = stdout.replaceAll(/\s+/g, ' ');
  for (const option of mountOptions()) {
    t.match(text, option.long!);
    t.match(text, `[${variableOf(option)}]`);
  }
  t.match(text, /command line counts before the environment, and the environment before the file/);
});

t.test('a configuration file that is wrong is one clear error and exit status 2', async (t) => {
  const path = join(t.testdir(), 'pbkfs.toml');
  for (const [content, message] of [
    ['[mount]\nthreads = \n', /^pbkfs: .*pbkfs\.toml, line 2: /],
    ['[mount]\nthread = 4\n', /^pbkfs: .*pbkfs\.toml: thread in \[mount\] is no option of pbkfs mount\nhint: /],
    ['threads = 4\n', /^pbkfs: .*: threads stands outside of every table\nhint: .*\[mount\]/],
    ['[mount]\nthreads = [4]\n', /^pbkfs: .*: threads must be a string, a number, true or false/],
    ['[mount]\nthreads = 99\n', /^pbkfs: .*: threads = '99' is invalid\. It must be a whole number from 1 to 16/],
    ['[mount]\ndiff = "~/diff"\n', /^pbkfs: .*: diff = '~\/diff' is invalid\. Nobody has replaced the ~/],
    ['[mount]\nforce = "perhaps"\n', /^pbkfs: .*: force = 'perhaps' is invalid\. It must be true or false/],
  ] as const) {
    writeFileSync(path, content);
    const result = await pbkfs(['mount', '-D', '/x', '-d', '/y', '--config', path]);
    t.match(result, { status: 2, stdout: '', stderr: message }, content);
  }
  t.match(await pbkfs(['mount', '-D', '/x', '-d', '/y', '--config', '/nonexistent.toml']), {
    status: 2,
    stderr: /^pbkfs: cannot read the configuration file: ENOENT/,
  });
});

t.test('a misspelt variable is named, and the mount is made or refused as without it', async (t) => {
  const env = { PBKFS_DIF_LIMIT: '20GB', PBKFS_TEST_SEED: '1', PBKFS_DIFF_LIMIT: '20GB' };
  const { stderr } = await pbkfs(['mount', '-D', '/x'], env);
  t.match(stderr, /^pbkfs: warning: PBKFS_DIF_LIMIT in the environment is no option: .*\npbkfs: required option '-d/);
});

t.test('BACKUP_PATH, as for pg_probackup, is the catalog that -B leaves out', async (t: Test) => {
  const BACKUP_PATH = join(await extractCatalog('mini'), 'catalog');
  const { catalog } = JSON.parse((await pbkfs(['show', '--json'], { BACKUP_PATH })).stdout) as { catalog: string };
  t.equal(catalog, BACKUP_PATH);
  const elsewhere = await pbkfs(['show', '-B', '/nonexistent'], { BACKUP_PATH });
  t.match(elsewhere.stderr, /^pbkfs: .*\/nonexistent/, '-B comes first');
  t.equal(catalogOfEnvironment('latest', { BACKUP_PATH }), BACKUP_PATH);
  t.equal(catalogOfEnvironment(undefined, { BACKUP_PATH }), undefined, 'a diff that was mounted before knows its own');
  t.throws(() => catalogOfEnvironment('latest', { BACKUP_PATH: '~/backup' }), {
    code: 'usage',
    message: /^environment variable BACKUP_PATH = '~\/backup' is invalid\./,
  });
});
