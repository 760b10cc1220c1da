// The version of this package.

import { readFileSync } from 'node:fs';

interface Package {
  readonly name: string;
  readonly version: string;
}

/** The version in package.json; found from src as well as from dist/src. */
export function packageVersion(): string {
  for (let url = new URL('.', import.meta.url); ; url = new URL('..', url)) {
    try {
      const { name, version }: Package = JSON.parse(readFileSync(new URL('package.json', url), 'utf8'));
      if (name === 'pbkfs') return version;
    } catch {
      // Not in this directory.
    }
    if (url.pathname === '/') return 'unknown';
  }
}
