// pbkfs mount

import type { Command } from 'commander';
import type { VerifyMode } from '../backup/index.js';
import { PbkfsError } from '../errors.js';
import { launchMount, type MountedInfo, type MountRequest, runForegroundMount, serve } from '../mount/index.js';
import { directory, flagFromEnvironment, oneOf, wholeNumber } from './options.js';
import { stopServers } from './stop-servers.js';

interface MountOptions {
  readonly backupPath?: string;
  readonly instance?: string;
  readonly backupId?: string;
  readonly mountpoint: string;
  readonly diff: string;
  readonly allowOther?: true;
  readonly console?: true;
  readonly uid?: number;
  readonly gid?: number;
  readonly threads?: number;
  readonly verify?: VerifyMode;
  readonly force?: true;
  readonly stopServer?: true;
  readonly afterPowerLoss?: true;
  readonly logFile?: string;
}

const MAX_ID = 2 ** 32 - 2;

const HELP = `
The mount shows the backup as PostgreSQL's data directory. What is written goes into DIFF; the catalog is never
written. Mounting the same DIFF again brings the writes back and needs only -D and -d (and -B if the catalog moved).

PostgreSQL insists on owning its data directory: as root, files belong to the owner of MOUNTPOINT unless --uid and
--gid say otherwise.

Environment:
  PBKFS_MATERIALIZE_ON_READ=true  copy into DIFF what is read, block by block (for debugging)

Examples:
  pbkfs mount -B /backup -I main -i latest -D /mnt/pg -d /var/lib/pbkfs/test
  pbkfs mount -D /mnt/pg -d /var/lib/pbkfs/test`;

export function addMountCommand(program: Command, setStatus: (status: number) => void): void {
  program
    .command('mount')
    .summary('mount a backup as a writable data directory')
    .description('Mounts a backup with its whole chain as a writable data directory, in the background.')
    .option('-B, --backup-path <catalog>', 'the pg_probackup catalog', directory)
    .option('-I, --instance <name>', 'instance in the catalog')
    .option('-i, --backup-id <id>', 'backup id, or "latest" for the newest one that can be mounted')
    .requiredOption('-D, --mountpoint <dir>', 'an empty directory', directory)
    .requiredOption('-d, --diff <dir>', 'where writes go: an empty or new directory, or one mounted before', directory)
    .option('--allow-other', 'let other users in, as modes permit (default: if this user may; root always may)')
    .option('--console', 'stay in the foreground and log to the terminal; Ctrl-C unmounts')
    .option('--uid <number>', 'owner of all files', wholeNumber(0, MAX_ID))
    .option('--gid <number>', 'group of all files', wholeNumber(0, MAX_ID))
    .option('--threads <number>', 'threads that answer reads and writes', wholeNumber(1, 16))
    .option(
      '--verify <how>',
      'how blocks of the backup are checked before they are served: checksum (the default), structure, off',
      oneOf('checksum', 'structure', 'off'),
    )
    .option('--force', 'mount backups in state CORRUPT or ORPHAN too; damaged blocks give EIO')
    .option('--stop-server', 'first stop a PostgreSQL server that has outlived a dead mount on MOUNTPOINT')
    .option('--after-power-loss', 'trust only what was synced: the file system of DIFF lost its cache without a reboot')
    .option('--log-file <file>', 'log of the background process (default: DIFF/pbkfs.log)', directory)
    .addHelpText('after', HELP)
    .action(async (options: MountOptions) => {
      const request = toRequest(options);
      if (options.stopServer) await stopServers(request.mountpoint);
      if (options.console) setStatus(await runForegroundMount(request, serve, (info) => announce(info, 'Ctrl-C')));
      else announce(await launchMount(request), `pbkfs unmount -D ${request.mountpoint}`);
    });
}

function toRequest(options: MountOptions): MountRequest {
  const { backupPath, instance, backupId, mountpoint, diff, uid, gid, threads, logFile, verify } = options;
  return {
    mountpoint,
    diff,
    ...(backupPath === undefined ? {} : { catalog: backupPath }),
    ...(instance === undefined ? {} : { instance }),
    ...(backupId === undefined ? {} : { backupId }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(threads === undefined ? {} : { threads }),
    ...(logFile === undefined ? {} : { logFile }),
    ...(verify === undefined ? {} : { verify }),
    ...(options.allowOther === undefined ? {} : { allowOther: true }),
    force: options.force ?? false,
    afterPowerLoss: options.afterPowerLoss ?? false,
    materializeOnRead: materializeOnRead(),
  };
}

function materializeOnRead(): boolean {
  try {
    return flagFromEnvironment('PBKFS_MATERIALIZE_ON_READ');
  } catch (error) {
    throw new PbkfsError('usage', (error as Error).message);
  }
}

function announce(info: MountedInfo, end: string): void {
  const { instance, backupId, chainLength, mountpoint, pid, warnings } = info;
  for (const warning of warnings) process.stderr.write(`pbkfs: warning: ${warning}\n`);
  const chain = chainLength === 1 ? '' : `, a chain of ${chainLength}`;
  process.stdout.write(
    `mounted backup ${backupId} of ${instance}${chain} on ${mountpoint} (process ${pid}; ${end} unmounts)\n`,
  );
}
