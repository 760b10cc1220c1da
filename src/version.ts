// The version of this package.

import { readFileSync } from 'node:fs';

/** The version in package.json; found from src as well as from dist/src. */
export function packageVersion(): string {
  for (let url = new URL('.', import.meta.url); ; url = new URL('..', url)) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL('package.json', url), 'utf8')) as Record<
        string,
        string
      >;
      if (name === 'pbkfs') return version;
    } catch {
      // Not in this directory.
    }
    if (url.pathname === '/') return 'unknown';
  }
}
