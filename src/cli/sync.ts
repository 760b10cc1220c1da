// pbkfs sync

import type { Command } from 'commander';
import { syncMount } from '../mount/index.js';
import { secondsSince } from '../sys/stopwatch.js';
import { chosenMount, withMountArgument } from './mount-argument.js';

const HELP = `
Returns when everything that was written to the mount before, by whomever and with or without fsync, would survive a
power cut. Programs may go on writing meanwhile.

Examples:
  pbkfs sync /mnt/pg
  pbkfs sync -D /mnt/pg --json`;

interface SyncOptions {
  readonly mountpoint?: string;
  readonly json?: true;
}

export function addSyncCommand(program: Command): void {
  withMountArgument(program.command('sync'))
    .summary('make everything written to a mount durable')
    .description('Makes everything durable that was written to a mount.')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action(async (argument: string | undefined, options: SyncOptions) => {
      const begun = performance.now();
      const { mountpoint, owner } = await syncMount(chosenMount(argument, options.mountpoint), (why) =>
        process.stderr.write(`waiting: ${why}\n`),
      );
      const seconds = secondsSince(begun);
      const result = { mountpoint, diff: owner?.diff ?? null, seconds };
      process.stdout.write(
        options.json
          ? `${JSON.stringify(result, undefined, 2)}\n`
          : `everything written to ${mountpoint} is durable (${seconds.toFixed(2)} s)\n`,
      );
    });
}
