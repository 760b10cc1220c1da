// The manual page and the completion scripts: current, complete, and accepted by the programs that read them.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { pbkfs } from '../support/mount.js';
import { repoRoot } from '../support/paths.js';

const missing = (program: string): string | false =>
  spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed`;
const page = join(repoRoot, 'dist/man/pbkfs.1');

async function commands(): Promise<string[]> {
  const { stdout } = await pbkfs(['--help']);
  const names = [...stdout.matchAll(/^ {2}([a-z-]+)[ |]/gm)].map((match) => match[1]!);
  return names.filter((name) => name !== 'help');
}

t.test('the manual page is that of the program', async (t) => {
  const { man, files } = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')) as {
    man: string[];
    files: string[];
  };
  // npm links pages that are an array only.
  t.strictSame(
    man.map((path) => join(repoRoot, path)),
    [page],
  );
  t.ok(files.includes('dist/man'), 'and it is shipped');
  t.equal(readFileSync(page, 'utf8'), (await pbkfs(['man'])).stdout);
});

t.test('it renders, with every command', { skip: missing('groff') }, async (t) => {
  const { status, stdout, stderr } = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-P-cbou', page], {
    encoding: 'utf8',
  });
  t.equal(status, 0);
  t.equal(stderr, '', 'without a warning');
  for (const command of await commands()) t.match(stdout, new RegExp(`^ +pbkfs ${command}`, 'm'), command);
  t.match(stdout, /--stop-timeout <seconds>/);
  t.match(stdout, /EXIT STATUS\n( +)0 +done[^\n]*\n\1 *1 +it did not work[\s\S]*\n\1 *2 +wrong/, 'one below the other');
});

t.test('bash completes commands, options and paths', { skip: missing('bash') }, async (t) => {
  const { stdout } = await pbkfs(['completion', 'bash']);
  const script = join(t.testdir(), 'pbkfs');
  writeFileSync(script, stdout);
  const complete = (...words: string[]): string[] => {
    const array = words.map((word) => `'${word}'`).join(' ');
    const line = `compopt() { echo files; }; . ${script}; COMP_WORDS=(pbkfs ${array}); COMP_CWORD=${words.length}; _pbkfs; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return spawnSync('bash', ['-c', line], { encoding: 'utf8' }).stdout.trim().split('\n').sort();
  };
  t.strictSame(complete('unm'), ['unmount']);
  for (const command of await commands()) t.ok(complete('').includes(command), command);
  t.strictSame(complete('unmount', '--stop-'), ['--stop-server', '--stop-timeout']);
  t.strictSame(complete('export', '-o', ''), ['files']);
  t.strictSame(complete('export', '/mn'), ['files']);
});

for (const shell of ['zsh', 'fish'] as const) {
  t.test(`${shell} accepts its script`, { skip: missing(shell) }, async (t) => {
    const { stdout } = await pbkfs(['completion', shell]);
    const script = join(t.testdir(), 'script');
    writeFileSync(script, stdout);
    t.match(spawnSync(shell, ['-n', script], { encoding: 'utf8' }), { status: 0, stderr: '' });
    for (const command of await commands()) t.match(stdout, new RegExp(`\\b${command}\\b`));
  });
}

t.test('fish offers commands and options', { skip: missing('fish') }, async (t) => {
  const script = join(t.testdir(), 'pbkfs.fish');
  writeFileSync(script, (await pbkfs(['completion', 'fish'])).stdout);
  const complete = (line: string): string =>
    spawnSync('fish', ['--no-config', '-c', `source ${script}; complete -C '${line}'`], { encoding: 'utf8' }).stdout;
  t.match(complete('pbkfs unm'), /^unmount\t/m);
  t.match(complete('pbkfs stat --counters'), /^--counters-reset\t/m);
});

t.test('an unknown shell is a usage error', async (t) => {
  t.match(await pbkfs(['completion', 'ksh']), { status: 2, stderr: /one of bash, zsh, fish/ });
  t.match(await pbkfs(['version', '--json']), { status: 0 });
});
