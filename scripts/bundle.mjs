// Puts each program of dist/src with its modules into one file of dist/bundle: a process or thread then loads a handful
// of files and not a hundred, which is most of what starting one costs. They are CommonJS, because loading the modules
// of Node itself as ES modules takes twice as long. Run by `npm run build`.

import { readFile, rm, writeFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const source = fileURLToPath(new URL('../dist/src', import.meta.url));
const target = fileURLToPath(new URL('../dist/bundle', import.meta.url));

/** Everything that is started as a process or as a thread, or loaded by one of these in place of the rest. */
const programs = [
  'cli/pbkfs',
  'cli/main',
  'cli/archive-get-program',
  'cli/mount-helper',
  'backup/lists/digest-thread',
  'backup/lists/list-thread',
  'cli/mount-program',
  'cli/validate-program',
  'mount/process',
  'mount/background-mount',
  'mount/chain-lock/holder-process',
  'mount/prefetch/process',
  'mount/unmount-elsewhere',
  'mount/exporter/catalog-worker',
  'fs/data-thread',
  'fs/namespace-thread',
  'session/guard',
];

/** Run by a pool that wants the function itself. */
const workers = ['backup/validate/worker', 'mount/export/worker'];

const keepPlaces = {
  name: 'keep-places',
  setup({ onLoad, onResolve }) {
    // A module goes on to have the URL that its place among the others gives it, wherever its code has come to lie.
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      const code = await readFile(path, 'utf8');
      return { contents: code.replaceAll('import.meta.url', `moduleUrl(${JSON.stringify(relative(source, path))})`) };
    });
    onResolve({ filter: /^\./ }, ({ path, kind, resolveDir }) => {
      const file = resolve(resolveDir, path);
      // A program that chooses between programs does not contain them.
      const chosen = kind === 'dynamic-import' && programs.includes(relative(source, file).replace(/\.js$/, ''));
      // No module is imported for what loading it does: one of which nothing is used can stay out.
      return chosen ? { path, external: true } : { path: file, sideEffects: false };
    });
  },
};

const moduleUrl = (name) => {
  const root = '../'.repeat(name.split('/').length - 1);
  return `const moduleUrl = (place) => require('node:url').pathToFileURL(require('node:path').join(__dirname, '${root}', place)).href;`;
};

await rm(target, { recursive: true, force: true });
for (const name of [...programs, ...workers]) {
  await build({
    entryPoints: [`${source}/${name}.js`],
    outfile: `${target}/${name}.js`,
    banner: { js: moduleUrl(name) },
    footer: { js: workers.includes(name) ? 'module.exports = module.exports.default;' : '' },
    plugins: [keepPlaces],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    // import() of another file becomes require(): of a large CommonJS file it first looks for exports, for 70 ms.
    supported: { 'dynamic-import': false },
    // Names of functions and classes stay: they are in stack traces of the log.
    keepNames: true,
    logLevel: 'warning',
  });
}
await writeFile(`${target}/package.json`, '{ "type": "commonjs" }\n');
