// The pages say what the program does: links lead somewhere, commands and options exist, folders are described.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { repoRoot } from './support/paths.js';

const pages = ['README.md', 'ARCHITECTURE.md', ...readdirSync(join(repoRoot, 'docs')).map((name) => `docs/${name}`)];
const text = (page: string): string => readFileSync(join(repoRoot, page), 'utf8');
const help = (...command: string[]): string =>
  spawnSync(process.execPath, [join(repoRoot, 'dist/src/cli/main.js'), ...command, '--help'], { encoding: 'utf8' })
    .stdout;

t.test('every link between the pages leads to a file', async (t) => {
  for (const page of pages) {
    for (const [, target] of text(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      t.ok(existsSync(join(repoRoot, dirname(page), target!)), `${page}: ${target}`);
    }
  }
});

t.test(
  'what comments and tests cite of the format page and of the traps is there, and every trap is cited by a test',
  async (t) => {
    const sources = (folder: string): string[] =>
      readdirSync(join(repoRoot, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => text(join(folder, name)));
    const [ours, tests] = [sources('src'), sources('test')];
    const cited = (among: readonly string[], form: RegExp): Set<string> =>
      new Set(among.flatMap((source) => [...source.matchAll(form)].flatMap(([, list]) => list!.split(', '))));
    const headings = [...text('docs/pg_probackup-format.md').matchAll(/^##+ (\d+(?:\.\d+)?)\b/gm)].map(
      ([, number]) => number!,
    );
    const sections = cited([...ours, ...tests], /format page (\d+(?:\.\d+)?(?:, \d+(?:\.\d+)?)*)/g);
    t.ok(sections.size > 20);
    for (const section of sections) t.ok(headings.includes(section), `format page ${section}`);
    const traps = [...text('docs/traps.md').matchAll(/^(\d+)\. /gm)].map(([, number]) => number!);
    const tested = cited(tests, /\btraps? (\d+(?:, \d+)*)/g);
    for (const trap of cited([...ours, ...tests], /\btraps? (\d+(?:, \d+)*)/g))
      t.ok(traps.includes(trap), `trap ${trap}`);
    for (const trap of traps) t.ok(tested.has(trap), `a test of trap ${trap}`);
  },
);

t.test('every pbkfs command of the README exists, with the options it is given', async (t) => {
  const commands = [...text('README.md').matchAll(/^ {4}pbkfs ([a-z]+)(.*)$/gm)];
  t.ok(commands.length >= 4);
  for (const [, command, rest] of commands) {
    const said = help(command!);
    t.match(said, `Usage: pbkfs ${command}`);
    for (const [, option] of rest!.split('#')[0]!.matchAll(/ (--?[A-Za-z-]+)/g)) {
      t.match(said, new RegExp(`(^|[ ,])${option}[ ,]`, 'm'), `${command} ${option}`);
    }
  }
});

t.test('docs/trust.md: nothing failed, and every command in it can be given again', async (t) => {
  const rows = text('docs/trust.md')
    .split('\n')
    .filter((line) => /^\| .* \|$/.test(line));
  const commands = rows.flatMap((row) => /`([^`]+)` \|$/.exec(row)?.[1] ?? []);
  t.ok(commands.length >= 10);
  t.notMatch(rows.join('\n'), /\*\*failed\*\*/);
  for (const command of commands) {
    const [, test] = /npx tap dist\/(test\/.*)\.js$/.exec(command) ?? [];
    const file = test === undefined ? command.split(' ')[0]! : `${test}.ts`;
    t.ok(existsSync(join(repoRoot, file)), file);
  }
});

t.test('the npm scripts that the README names exist', async (t) => {
  const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };
  for (const [, script] of text('README.md').matchAll(/npm (?:run )?(test|demo|bench)\b/g))
    t.ok(scripts[script!], script);
});

t.test('ARCHITECTURE.md describes every folder of src and names no other', async (t) => {
  const folders = readdirSync(join(repoRoot, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const described = [...text('ARCHITECTURE.md').matchAll(/^\| `src\/([a-z]+)` \|/gm)].map((match) => match[1]);
  t.strictSame([...described].sort(), folders.map((folder) => folder.name).sort());
});

t.test('arrows between the folders of src run one way', async (t) => {
  const order = ['backup', 'overlay', 'fs', 'postgres', 'mount', 'session', 'cli'];
  const leaves = ['pending', 'metrics', 'sys'];
  const folders = readdirSync(join(repoRoot, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  t.strictSame([...order, ...leaves].sort(), folders.map(({ name }) => name).sort(), 'each folder has its place');
  for (const folder of [...order, ...leaves]) {
    const files = readdirSync(join(repoRoot, 'src', folder), { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((name) => name.endsWith('.ts'))) {
      const source = readFileSync(join(repoRoot, 'src', folder, file), 'utf8');
      // Imports of both kinds, and programs and threads that are started by their file.
      for (const [, specifier] of source.matchAll(/(?:from |import |import\(|new URL\()'(\.[^']+)'/g)) {
        const [, target] = /^src\/([a-z]+)\//.exec(join('src', folder, dirname(file), specifier!)) ?? [];
        if (target === undefined || target === folder || leaves.includes(target)) continue;
        const downward = order.indexOf(target) < order.indexOf(folder) && order.includes(folder);
        t.ok(downward, `src/${folder}/${file} uses src/${target}`);
      }
    }
  }
});
