// pbkfs mount

import type { Command } from 'commander';
import type { VerifyMode } from '../backup/index.js';
import { PbkfsError } from '../errors.js';
import type { Backend } from '../fs/serve-types.js';
import { given } from '../given.js';
import type { LogLevel } from '../log.js';
import { launchMount } from '../mount/daemon.js';
import { leftOut } from '../mount/left-out.js';
import type { MountedInfo, MountRequest } from '../mount/request.js';
import type { MountProcess } from '../mount/start-process.js';
import { shellWord } from '../sys/shell-word.js';
import { refuseAsFirstProcess } from './first-process.js';
import { mountOptions } from './mount-options.js';
import { type RecoveryOptions, recoveryOf } from './recovery-options.js';
import { warn } from './report.js';
import { catalogOfEnvironment, completeOptions, SETTINGS_HELP, showVariables, strangeVariables } from './settings.js';
import { stopServers } from './stop-servers.js';

/** What comes out of the table of options. */
interface MountOptions extends RecoveryOptions {
  readonly backupPath?: string;
  readonly instance?: string;
  readonly backupId?: string;
  readonly mountpoint?: string;
  readonly diff?: string;
  readonly diffLimit?: number;
  readonly perfUnsafe?: true;
  readonly passthrough?: true;
  readonly lowLatency?: true;
  readonly walDir?: string;
  readonly readOnly?: true;
  readonly allowOther?: true;
  readonly console?: true;
  readonly timeout?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly fsname?: string;
  readonly threads?: number;
  readonly cacheSize?: number;
  readonly readAhead?: number;
  readonly backend?: Backend;
  readonly verify?: VerifyMode;
  readonly prefetch?: 'hot';
  readonly force?: true;
  readonly stopServer?: true;
  readonly afterPowerLoss?: true;
  readonly logFile?: string;
  readonly logLevel?: LogLevel;
  readonly logFormat?: 'text' | 'json';
  readonly logSink?: 'file' | 'journald';
  readonly pidFile?: string;
  readonly metricsListen?: string;
  readonly logActivity?: number;
  readonly materializeOnRead?: true;
  /** false by --no-recovery-config */
  readonly recoveryConfig: boolean;
  /** false by --no-wal */
  readonly wal: boolean;
  /** false by --no-list-cache */
  readonly listCache: boolean;
}

const HELP = `
The mount shows the backup as PostgreSQL's data directory. What is written goes into DIFF; the catalog is never
written. Mounting the same DIFF again brings the writes back and needs only -D and -d (and -B if the catalog moved).

PostgreSQL insists on owning its data directory: as root, files belong to the owner of MOUNTPOINT unless --uid and
--gid say otherwise.

An ARCHIVE backup gets recovery settings at its first mount: all WAL of its timeline, fetched through the mount. With a
recovery target they are written into DIFF (postgresql.auto.conf and recovery.signal), names and defaults being those of
"pg_probackup restore"; a target that the WAL in the catalog does not reach is refused.
${SETTINGS_HELP}

Examples:
  pbkfs mount -B /backup -I main -i latest -D /mnt/pg -d /var/lib/pbkfs/test
  pbkfs mount -D /mnt/pg -d /var/lib/pbkfs/test
  pbkfs mount -B /backup -I main -i latest -D /mnt/pg -d /tmp/d --recovery-target-time '2026-11-21 04:28:33+00'
  pbkfs mount -B /backup -I main -i latest -D /mnt/pg --read-only`;

/** Mounts in this very process; see runForegroundMount. @returns the exit status */
export type Foreground = (
  request: MountRequest,
  onMounted: (info: MountedInfo) => void,
  timeout: number | undefined,
) => Promise<number>;

/**
 * @param foreground left out where the mount process itself is not part of the program: --console then starts anew, in main
 * @param started a mount process that waits for a request
 */
export function addMountCommand(
  program: Command,
  setStatus: (status: number) => void,
  foreground?: Foreground,
  started?: MountProcess,
): void {
  const command = program
    .command('mount')
    .summary('mount a backup as a writable data directory')
    .description('Mounts a backup with its whole chain as a writable data directory, in the background.')
    .allowExcessArguments()
    .addHelpText('after', HELP);
  for (const option of mountOptions()) command.addOption(option);
  showVariables(command).action(async () => {
    if (command.args.length > 0) {
      throw new PbkfsError('usage', `pbkfs mount does not know what '${command.args[0]}' is`, {
        hint: 'directories are named by options: -B CATALOG, -D MOUNTPOINT and -d DIFF',
      });
    }
    completeOptions(command);
    const options = command.opts<MountOptions>();
    const usable = !options.console && started?.mountpoint === options.mountpoint;
    if (!usable) started?.child.disconnect();
    if (options.console && foreground === undefined) {
      await import('./main.js');
      return;
    }
    for (const name of strangeVariables(command)) {
      warn(`${name} in the environment is no option: "pbkfs mount --help" has the variables`);
    }
    const request = toRequest(options);
    if (!options.console)
      refuseAsFirstProcess('--console keeps the mount in the foreground; or run pbkfs from a shell');
    if (options.stopServer) await stopServers(request.mountpoint);
    const timeout = options.timeout === undefined ? undefined : options.timeout * 1000;
    if (options.console && foreground !== undefined) {
      const told = logsToTerminal(request);
      setStatus(await foreground(request, (info) => announce(info, 'Ctrl-C', told), timeout));
    } else {
      const waiting = usable ? started : undefined;
      announce(await launchMount(request, waiting, timeout), `pbkfs unmount -D ${shellWord(request.mountpoint)}`);
    }
  });
}

/** Options that are about a diff, and so make no sense where there is none. */
const NEED_DIFF = ['diffLimit', 'perfUnsafe', 'passthrough', 'walDir', 'afterPowerLoss', 'materializeOnRead'] as const;

function toRequest(options: MountOptions): MountRequest {
  const { mountpoint, diff, backupPath: catalog = catalogOfEnvironment(options.backupId) } = options;
  if (mountpoint === undefined) throw missing('-D, --mountpoint <dir>');
  if (options.readOnly) refuseDiff(options);
  else if (diff === undefined) throw missing('-d, --diff <dir>', 'a mount with --read-only needs none');
  const recovery = recoveryOf(options);
  if (recovery !== undefined && (options.readOnly || !options.recoveryConfig)) {
    const why = options.readOnly ? 'a mount with --read-only cannot hold' : '--no-recovery-config forbids';
    throw new PbkfsError('usage', `recovery settings are asked for, which ${why}`, {
      hint: 'leave one of the two out',
    });
  }
  const noRecoveryConfig = options.recoveryConfig ? undefined : true;
  const noWal = options.wal ? undefined : true;
  const noListCache = options.listCache ? undefined : true;
  if (noWal && options.walDir !== undefined) {
    throw new PbkfsError('usage', '--no-wal and --wal-dir exclude each other');
  }
  const { metricsListen, logActivity, passthrough, lowLatency, backend } = options;
  const { instance, backupId, uid, gid, threads, logFile, pidFile, verify, allowOther, readOnly } = options;
  const { diffLimit, perfUnsafe, logLevel: level, logFormat: format, logSink: sink } = options;
  if (sink === 'journald' && (logFile !== undefined || format !== undefined)) {
    throw new PbkfsError(
      'usage',
      `--log-sink journald and --log-${logFile === undefined ? 'format' : 'file'} exclude each other`,
    );
  }
  const log = given({ level, format, sink });
  return {
    mountpoint,
    ...given({ catalog, diff, instance, backupId, uid, gid, threads, logFile, pidFile, verify, allowOther, readOnly }),
    ...given({ recovery, noRecoveryConfig, noWal, walDir: options.walDir, diffLimit, perfUnsafe, log }),
    ...given({ metricsListen, logActivity, backend, passthrough, lowLatency, prefetch: options.prefetch }),
    ...given({ cacheSize: options.cacheSize, readAhead: options.readAhead, noListCache, fsname: options.fsname }),
    force: options.force ?? false,
    afterPowerLoss: options.afterPowerLoss ?? false,
    materializeOnRead: options.materializeOnRead ?? false,
  };
}

function missing(flags: string, hint?: string): PbkfsError {
  return new PbkfsError('usage', `required option '${flags}' not specified`, hint === undefined ? {} : { hint });
}

function refuseDiff(options: MountOptions): void {
  const strange = (['diff', ...NEED_DIFF] as const).find((name) => options[name] !== undefined);
  if (strange === undefined && options.wal) return;
  const flag = strange?.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) ?? 'no-wal';
  throw new PbkfsError('usage', `--read-only mounts the backup without a diff; --${flag} cannot be given with it`, {
    hint: 'leave one of the two out',
  });
}

/** Where a mount in the foreground logs, and so warns, unless it is told otherwise. */
function logsToTerminal({ logFile, log }: MountRequest): boolean {
  return logFile === undefined && log?.sink !== 'journald' && log?.level !== 'error';
}

/** @param told whether the log has shown the warnings to whoever reads this */
function announce(info: MountedInfo, end: string, told = false): void {
  const { instance, backupId, chainLength, mountpoint, pid, backend, warnings, metricsAddress } = info;
  const untold = told ? [] : [...warnings, ...leftOut(info.externalDirectories)];
  for (const warning of untold) warn(warning);
  const chain = chainLength === 1 ? '' : `, a chain of ${chainLength}`;
  const through = backend === 'kernel' ? '' : ` through ${backend}`;
  process.stdout.write(
    `mounted backup ${backupId} of ${instance}${chain} on ${mountpoint}${through} (process ${pid}; ${end} unmounts)\n`,
  );
  if (metricsAddress !== undefined)
    process.stdout.write(`metrics: ${metricsAddress}${metricsAddress.startsWith('unix:') ? '' : '/metrics'}\n`);
}
