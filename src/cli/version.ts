// pbkfs version

import type { Command } from 'commander';
import { packageVersion } from '../version.js';

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
