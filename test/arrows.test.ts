// The arrows between the folders of src, as ARCHITECTURE.md has them: who may know whom.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { repoRoot } from './support/paths.js';

const LEAVES = ['pending', 'metrics', 'sys'];
const knows: Record<string, readonly string[]> = {
  cli: ['session', 'mount', 'fs', 'postgres', 'backup', ...LEAVES],
  session: ['mount', 'postgres', 'backup', ...LEAVES],
  mount: ['fs', 'overlay', 'postgres', 'backup', ...LEAVES],
  fs: ['overlay', 'backup', ...LEAVES],
  overlay: ['backup', ...LEAVES],
  postgres: ['backup', ...LEAVES],
  backup: LEAVES,
  ...Object.fromEntries(LEAVES.map((leaf) => [leaf, []])),
};

const root = join(repoRoot, 'src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

/** Folders of src that a file names: in imports, in types, as the program of a thread or process. Not files of src itself. */
function namedIn(file: string): string[] {
  return [...readFileSync(join(root, file), 'utf8').matchAll(/'(\.\.?\/[^']*\.js)'/g)]
    .map(([, target]) => join(file, '..', target!).split('/'))
    .flatMap(([folder, ...rest]) => (rest.length > 0 ? [folder!] : []));
}

t.test('a folder of src knows only those that its arrows lead to', async (t) => {
  const wrong = files.flatMap((file) => {
    const own = file.includes('/') ? file.split('/')[0]! : '';
    return namedIn(file)
      .filter((folder) => folder !== own && !knows[own]?.includes(folder))
      .map((folder) => `${file} names ${folder}`);
  });
  t.strictSame(wrong, []);
  t.strictSame([...new Set(files.flatMap(namedIn))].sort(), Object.keys(knows).sort(), 'each is named somewhere');
});
