// pbkfs unmount

import type { Command } from 'commander';
import { unmount } from '../mount/index.js';
import { directory } from './options.js';
import { stopServers } from './stop-servers.js';

const HELP = `
Returns once the mount process has ended and everything written is durable in the diff. A mount that somebody uses
stays as it is, and the users are named. A dead mount ("Transport endpoint is not connected") is taken away, but not
from under a PostgreSQL server that still runs in it.

Example:
  pbkfs unmount -D /mnt/pg`;

export function addUnmountCommand(program: Command): void {
  program
    .command('unmount')
    .alias('umount')
    .summary('unmount, and make everything durable')
    .description('Unmounts a backup and makes everything that was written to it durable.')
    .requiredOption('-D, --mountpoint <dir>', 'where it is mounted', directory)
    .option('--stop-server', 'first stop a PostgreSQL server that has outlived a dead mount')
    .addHelpText('after', HELP)
    .action(async (options: { readonly mountpoint: string; readonly stopServer?: true }) => {
      // Called from inside the mount, this very process would keep it busy.
      process.chdir('/');
      if (options.stopServer) await stopServers(options.mountpoint);
      const result = await unmount(options.mountpoint, ({ pid }) => {
        process.stderr.write(`waiting for process ${pid} to make the diff durable\n`);
      });
      process.stdout.write(`${describe(result)}\n`);
    });
}

function describe(result: Awaited<ReturnType<typeof unmount>>): string {
  const { mountpoint } = result;
  switch (result.kind) {
    case 'clean':
      return result.diff === undefined
        ? `unmounted ${mountpoint}`
        : `unmounted ${mountpoint}; its writes are in ${result.diff}`;
    case 'cured': {
      const where = result.diff === undefined ? 'the diff' : result.diff;
      return `took away the dead mount on ${mountpoint}; its process had been killed, mount ${where} again to go on`;
    }
    case 'unknown':
      return `unmounted ${mountpoint}; its process is not registered, so it may still be writing to its diff`;
  }
}
