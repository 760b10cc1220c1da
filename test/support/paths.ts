// Where the repository lies, seen from a compiled test.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of the repository: the nearest directory above with pbkfs's package.json. */
export const repoRoot = findRoot(path.dirname(fileURLToPath(import.meta.url)));

/** Absolute path of a file in test/fixtures. */
export function fixture(name: string): string {
  return path.join(repoRoot, 'test/fixtures', name);
}

function findRoot(from: string): string {
  for (let directory = from; ; directory = path.dirname(directory)) {
    const file = path.join(directory, 'package.json');
    if (fs.existsSync(file) && (JSON.parse(fs.readFileSync(file, 'utf8')) as { name?: string }).name === 'pbkfs') {
      return directory;
    }
    if (path.dirname(directory) === directory) throw new Error(`no package.json of pbkfs above ${from}`);
  }
}
