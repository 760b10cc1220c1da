// The pages say what the program does: links lead somewhere, commands and options exist, folders are described.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { repoRoot } from './support/paths.js';

const pages = ['README.md', 'ARCHITECTURE.md', ...readdirSync(join(repoRoot, 'docs')).map((name) => `docs/${name}`)];
const text = (page: string): string => readFileSync(join(repoRoot, page), 'utf8');

const helps = new Map<string, string>();
function help(command = 'help'): string {
  const known = helps.get(command);
  if (known !== undefined) return known;
  const program = join(repoRoot, 'dist/bundle/cli/pbkfs.js');
  const { stdout } = spawnSync(process.execPath, [program, command, '--help'], { encoding: 'utf8' });
  helps.set(command, stdout);
  return stdout;
}

/** What GitHub makes of a heading. */
const anchors = (page: string): string[] =>
  [...text(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

t.test('every link between the pages leads to a file, and to a heading of it', async (t) => {
  for (const page of pages) {
    for (const [, target, anchor] of text(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)) {
      const to = target === '' ? page : join(dirname(page), target!);
      t.ok(existsSync(join(repoRoot, to)), `${page}: ${target}`);
      if (anchor !== undefined) t.ok(anchors(to).includes(anchor), `${page}: ${target}#${anchor}`);
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

/** Pages that people write, and units of systemd; the others are written by programs. */
const written = [
  ...pages.filter((page) => !/(benchmarks|conformance|trust)\.|\.json$/.test(page)),
  ...readdirSync(join(repoRoot, 'contrib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.service'))
    .map((name) => `contrib/${name}`),
];

/** Text in backquotes, and lines that are code. */
const codeOf = (page: string): string[] => {
  const source = text(page);
  return [...source.matchAll(/`([^`\n]+)`|^(?: {4}|\$ |ExecStart=)(.*)$/gm)].map((match) => match[1] ?? match[2]!);
};

t.test('what the pages write of a command is in its help', async (t) => {
  const names = [...help().matchAll(/^ {2}([a-z-]+)[ |]/gm)].map(([, name]) => name!);
  const used = new Set<string>();
  for (const page of written) {
    for (const code of codeOf(page)) {
      for (const [call, command, rest] of code.matchAll(/\bpbkfs ([a-z][a-z-]*)((?: [^#|;]*)?)/g)) {
        if (!names.includes(command!)) {
          t.notOk(code.startsWith(call), `${page}: ${command} is a command`);
          continue;
        }
        used.add(command!);
        const own = rest!.split(' -- ')[0]!;
        for (const [, option] of own.matchAll(/ (--?[A-Za-z][a-z-]*)/g))
          t.match(help(command), new RegExp(`(^|[ ,])${option}[ ,\n]`, 'm'), `${page}: ${command} ${option}`);
      }
    }
  }
  t.ok(used.size > 12, 'most commands are on some page');
});

t.test('files of this tree that the pages name are there', async (t) => {
  const folders = ['src', 'test', 'bench', 'demo', 'scripts', 'contrib', 'docs'];
  const files = folders.flatMap((folder) =>
    readdirSync(join(repoRoot, folder), { recursive: true, encoding: 'utf8' }).map((name) => `/${folder}/${name}`),
  );
  let named = 0;
  // docs/pg_probackup-format.md names files of pg_probackup.
  for (const page of written.filter((page) => !page.endsWith('pg_probackup-format.md'))) {
    for (const code of codeOf(page)) {
      for (const [path] of code.matchAll(/(?<![\w./-])[\w][\w./-]*\.(?:ts|cts|mjs|sh)\b|\bdist\/[\w./-]+\.js\b/g)) {
        if (path.includes('PATH')) continue;
        const source = path.replace(/^dist\/(?:bundle\/)?(.*)\.js$/, '$1.ts');
        t.ok(
          files.some((file) => file.endsWith(`/${source}`)),
          `${page}: ${path}`,
        );
        named++;
      }
    }
  }
  t.ok(named > 50);
});

t.test('files that comments name by their path are there', async (t) => {
  const path =
    /(?<![\w./-])(?:src|test|bench|demo|scripts|docs|contrib)\/[\w@/.-]+\.(?:c?ts|md|mjs|sh|json|yml|service)\b/g;
  const named = ['src', 'test', 'bench', 'demo', 'scripts'].flatMap((folder) =>
    readdirSync(join(repoRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(?:c?ts|mjs|sh)$/.test(name))
      .flatMap((name) =>
        [...text(join(folder, name)).matchAll(path)].map(([file]) => [`${folder}/${name}`, file] as const),
      ),
  );
  t.ok(named.length > 50);
  for (const [source, file] of named) t.ok(existsSync(join(repoRoot, file)), `${source}: ${file}`);
});

t.test('variables of the environment that the pages name are read by something', async (t) => {
  const variables = new Set([...help('mount').matchAll(/\[(PBKFS_[A-Z_]+)\]/g)].map(([, name]) => name!));
  const tests = ['test', 'scripts', 'bench'].flatMap((folder) =>
    readdirSync(join(repoRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(?:ts|sh|mjs)$/.test(name) && name !== 'docs.test.ts')
      .map((name) => text(join(folder, name))),
  );
  for (const page of written) {
    for (const [name] of text(page).matchAll(/\bPBKFS_[A-Z_]*[A-Z]\b/g)) {
      const known = variables.has(name) || tests.some((source) => source.includes(name));
      t.ok(known, `${page}: ${name}`);
    }
  }
});

t.test('docs/cli.md has every error code, and no other', async (t) => {
  const [, table] = /\n## Error codes\n([\s\S]*?)\n## /.exec(text('docs/cli.md'))!;
  const errorCodes = [...text('src/errors.ts').matchAll(/^ {2}([a-z_]+): \{ errno: /gm)].map(([, code]) => code!);
  t.ok(errorCodes.length > 30);
  const documented = [...table!.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, code]) => code!);
  t.strictSame([...documented].sort(), [...errorCodes].sort());
  const sources = readdirSync(join(repoRoot, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => text(join('src', name)));
  for (const code of errorCodes)
    t.ok(
      sources.some((source) => source.includes(`'${code}'`)),
      `${code} is the code of some error`,
    );
});

t.test('docs/diff-format.md names every file of a diff', async (t) => {
  const { OWN_NAMES } = await import('../src/mount/diff/diff-directory.js');
  const [top] = text('docs/diff-format.md').split('\n## ');
  for (const name of OWN_NAMES) t.match(top, new RegExp(`[ \`]${name.replaceAll('.', '\\.')}[ \`/]`), name);
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
