// Naming a mount: as an argument or, as mount and unmount do, with -D.

import type { Command } from 'commander';
import { PbkfsError } from '../errors.js';
import { directory } from './options.js';

/** Declares both ways. */
export function withMountArgument(command: Command): Command {
  return command
    .argument('[mount]', 'where it is mounted', directory)
    .option('-D, --mountpoint <dir>', 'the same as the argument', directory);
}

/** @throws PbkfsError usage unless exactly one way was used */
export function chosenMount(argument: string | undefined, option: string | undefined): string {
  const chosen = argument ?? option;
  if (chosen === undefined)
    throw new PbkfsError('usage', 'the mount point is missing', { hint: 'pbkfs list shows all' });
  if (argument !== undefined && option !== undefined) {
    throw new PbkfsError('usage', 'the mount point is given twice: as an argument and with -D');
  }
  return chosen;
}
