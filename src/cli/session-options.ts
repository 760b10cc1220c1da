// Options of the commands that run a server on a mount: start, rescue and drill.

import { statSync } from 'node:fs';
import { InvalidArgumentError, type Option } from 'commander';
import { directory, option, prefetchOption } from './options.js';

export interface ServerOptions {
  readonly binDir?: string;
  readonly preloadLibraries?: string;
  readonly prefetch?: 'hot';
}

export interface ThrowAwayOptions extends ServerOptions {
  readonly username?: string;
  readonly workDir?: string;
}

/** Of every one of them. */
export function serverOptions(): Option[] {
  return [
    option('--bin-dir <dir>', 'directory of the server programs', directory),
    option('--preload-libraries <list>', 'shared_preload_libraries that the backup cannot do without'),
    prefetchOption(),
  ];
}

/** {@link serverOptions}, and those of a server that is gone when the command ends. */
export function throwAwayOptions(): Option[] {
  return [
    option('-U, --username <role>', 'a superuser of the cluster (default: the one that made the backup, or postgres)'),
    option('--work-dir <dir>', 'where the temporary diff lies (default: the directory for temporary files)', existing),
    ...serverOptions(),
  ];
}

function existing(value: string): string {
  const path = directory(value);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new InvalidArgumentError('There is no such directory.');
  }
  return path;
}
