// pbkfs unmount

import type { Command } from 'commander';
import { PbkfsError } from '../errors.js';
import { mountpointOfDiff, stopServersOn, type Unmounted, unmount, type Wait } from '../mount/index.js';
import { shellWord } from '../sys/shell-word.js';
import { directory, stopTimeoutOption } from './options.js';

interface UnmountCommandOptions {
  readonly mountpoint?: string;
  readonly diff?: string;
  readonly force?: true;
  readonly lazy?: true;
  readonly stopServer?: true;
  readonly stopTimeout: number;
  readonly json?: true;
}

const HELP = `
Returns once the mount process has ended, everything written is durable in the diff and the diff is free. A mount that
somebody uses is left as it is when they have not gone after --stop-timeout; they are named. With --force they get
errors instead: what they had written is kept. A dead mount ("Transport endpoint is not connected") is taken away, but
not from under a PostgreSQL server that still runs in it.

Examples:
  pbkfs unmount /mnt/pg
  pbkfs unmount -d /var/lib/pbkfs/test --stop-server --stop-timeout 120`;

export function addUnmountCommand(program: Command): void {
  program
    .command('unmount')
    .alias('umount')
    .summary('unmount, and make everything durable')
    .description('Unmounts a backup and makes everything that was written to it durable.')
    .argument('[mount]', 'where it is mounted', directory)
    .option('-D, --mountpoint <dir>', 'the same as the argument', directory)
    .option('-d, --diff <dir>', 'the diff of the mount, in place of -D', directory)
    .option('--force', 'unmount although somebody uses it; they get errors')
    .option('--lazy', 'take it out of sight and return at once; it ends with its last user')
    .option('--stop-server', 'first stop a PostgreSQL server that runs on it, or has outlived it')
    .addOption(stopTimeoutOption(30))
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action(run);
}

async function run(argument: string | undefined, options: UnmountCommandOptions): Promise<void> {
  const { force = false, lazy = false, stopServer, json } = options;
  const given = argument ?? options.mountpoint;
  if (argument !== undefined && options.mountpoint !== undefined) {
    throw new PbkfsError('usage', 'the mount point is given twice: as an argument and with -D');
  }
  if ((given === undefined) === (options.diff === undefined)) {
    throw new PbkfsError('usage', 'say what to unmount: either a mount point (-D) or a diff (-d)');
  }
  if (force && lazy) throw new PbkfsError('usage', '--force and --lazy exclude each other');
  const mountpoint = given ?? mountpointOfDiff(options.diff!);
  // Called from inside the mount, this very process would keep it busy.
  process.chdir('/');
  const stopTimeout = options.stopTimeout * 1000;
  const servers = stopServer ? await stopServersOn(mountpoint, stopTimeout, force) : [];
  const stopped = servers.map(({ pid, dataDirectory }) => ({ pid, dataDirectory }));
  if (!json) {
    for (const { pid, dataDirectory } of stopped)
      process.stdout.write(`stopped the PostgreSQL server in ${dataDirectory} (process ${pid})\n`);
  }
  const how = force ? 'force' : lazy ? 'lazy' : 'polite';
  const result = await unmount(mountpoint, { how, stopTimeout, onWait: announce });
  const shown = { ...result, diff: 'diff' in result ? (result.diff ?? null) : null, stoppedServers: stopped };
  process.stdout.write(json ? `${JSON.stringify(shown, undefined, 2)}\n` : `${describe(result)}\n`);
}

function announce(wait: Wait): void {
  process.stderr.write(`${announcement(wait)}\n`);
}

function announcement(wait: Wait): string {
  switch (wait.for) {
    case 'process':
      return `waiting for process ${wait.pid} to make the diff durable`;
    case 'namespaces':
      return `waiting for other mount namespaces to let go of it: it is mounted for ${wait.holders}`;
    case 'copies':
      return `waiting for bind mounts of it to be unmounted: ${wait.holders}`;
    case 'users':
      return `${wait.mountpoint} is in use by ${wait.holders}; waiting for up to ${Math.round(wait.ms / 1000)} s`;
  }
}

function describe(result: Unmounted): string {
  const { mountpoint } = result;
  switch (result.kind) {
    case 'clean':
      return result.diff === undefined
        ? `unmounted ${mountpoint}`
        : `unmounted ${mountpoint}; its writes are in ${result.diff}`;
    case 'cured': {
      const goOn = result.diff === undefined ? '' : `, mount ${result.diff} again to go on`;
      return `took away the dead mount on ${mountpoint}; its process had been killed${goOn}`;
    }
    case 'detached': {
      const which = result.diff === undefined ? '' : `; "pbkfs unmount -d ${shellWord(result.diff)}" waits for that`;
      return `detached ${mountpoint}; it ends with its last user${which}`;
    }
    case 'unknown':
      if (result.goesOnAt !== undefined)
        return `unmounted ${mountpoint}, a bind mount of the mount on ${result.goesOnAt}, which goes on`;
      return `unmounted ${mountpoint}; its process is not registered, so it may still be writing to its diff`;
  }
}
