// pbkfs stop

import type { Command } from 'commander';
import { shellWord } from '../sys/shell-word.js';
import { chosenMount, withMountArgument } from './mount-argument.js';
import { stopTimeoutOption } from './options.js';
import { sessionProgress } from './session-progress.js';

interface StopOptions {
  readonly mountpoint?: string;
  readonly json?: true;
  readonly now?: true;
  readonly stopTimeout: number;
}

const HELP = `
A server that has not stopped after --stop-timeout is named, and nothing is taken away: "pbkfs stop" goes on later.

Examples:
  pbkfs stop /mnt/pg
  pbkfs stop -D /mnt/pg --stop-timeout 600`;

export function addStopCommand(program: Command): void {
  withMountArgument(program.command('stop'))
    .summary('stop the server on a mount, and unmount')
    .description('Stops a server that "pbkfs start" has started, and takes away what that had made.')
    .option('--now', 'an immediate shutdown, without a checkpoint')
    // The checkpoint of a shutdown takes its time.
    .addOption(stopTimeoutOption(120))
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action(async (argument: string | undefined, { mountpoint, now, stopTimeout, json }: StopOptions) => {
      const chosen = chosenMount(argument, mountpoint);
      process.chdir('/');
      const { stopSession } = await import('../session/started.js');
      const progress = sessionProgress();
      progress.step('stopping the server');
      const stopped = await stopSession(chosen, {
        now: now ?? false,
        timeout: stopTimeout * 1000,
        waiting: (seconds) => progress.detail(`${Math.floor(seconds)} s`),
      }).finally(() => progress.clear());
      if (json) {
        process.stdout.write(`${JSON.stringify(stopped, undefined, 2)}\n`);
        return;
      }
      const unmounting = `pbkfs unmount -D ${shellWord(stopped.mountpoint)}`;
      const what = [
        stopped.server ? 'stopped the server' : 'no server ran any more',
        ...(stopped.unmounted ? ['unmounted'] : stopped.mounted ? [`it stays mounted (${unmounting} unmounts)`] : []),
      ];
      process.stdout.write(`${stopped.mountpoint}: ${what.join(', ')}\n`);
    });
}
