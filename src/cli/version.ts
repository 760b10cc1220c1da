// pbkfs version

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';

/** The version in package.json; found from here as well from dist/src/cli. */
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

export function addVersionCommand(program: Command): void {
  program
    .command('version')
    .summary('print the version')
    .description('Prints the versions of pbkfs and of Node.')
    .addHelpText('after', '\nExample:\n  pbkfs version')
    .action(() => {
      process.stdout.write(
        `pbkfs ${packageVersion()} (Node ${process.version}, ${process.platform} ${process.arch})\n`,
      );
    });
}
