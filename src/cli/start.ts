// pbkfs start

import type { Command } from 'commander';
import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import { leftOut } from '../mount/left-out.js';
import type { Session } from '../session/session.js';
import { shellWord } from '../sys/shell-word.js';
import { refuseAsFirstProcess } from './first-process.js';
import { guardedSession } from './guarded-session.js';
import { catalogOptionOfMounts, diffSize, directory, wholeNumber } from './options.js';
import { type RecoveryOptions, recoveryOf, recoveryOptions } from './recovery-options.js';
import { type ServerOptions, serverOptions } from './session-options.js';
import { catalogOfEnvironment } from './settings.js';

interface StartOptions extends RecoveryOptions, ServerOptions {
  readonly backupPath?: string;
  readonly instance?: string;
  readonly backupId?: string;
  readonly mountpoint?: string;
  readonly diff?: string;
  readonly ephemeral?: true;
  readonly port?: number;
  readonly socketDir?: string;
  readonly diffLimit?: number;
  readonly passthrough?: true;
  readonly lowLatency?: true;
  readonly walDir?: string;
  readonly force?: true;
  readonly json?: true;
}

const HELP = `
The server runs as the user postgres when this is root, else as this user. It reads no configuration of the backup: its
own files and the command line keep it away from archive commands, primaries, networks and schedulers, and what was
switched off is printed. Access is by a socket that only that user and root can open. WAL is looked through before it is
replayed: for CREATE TABLESPACE, which touches an absolute path, the server sees a directory of the mount at that path
(as root; else it is refused). Ctrl-C leaves nothing behind.

Without a target a STREAM backup is as it was when it ended, and an ARCHIVE backup gets all WAL of the archive, as with
"pg_probackup restore"; --recovery-target immediate gives that one, too, as it was when it ended. At a target the server
pauses, read-only, until "select pg_wal_replay_resume()"; with --recovery-target-action promote it goes on, writable.

Examples:
  pbkfs start -B /backup -I main -i latest --ephemeral
  pbkfs start -B /backup -I main -i latest -D /mnt/pg -d /tmp/diff --recovery-target-time '2026-11-21 04:28:33+00'
  pbkfs start -d /tmp/diff
  pbkfs start -D /mnt/pg -- -c work_mem=64MB
  pbkfs stop -D /mnt/pg`;

export function addStartCommand(program: Command): void {
  const command = program
    .command('start')
    .summary('mount a backup and run PostgreSQL on it')
    .description(
      'Mounts a backup, or takes a mount, and runs PostgreSQL of the right version on it, kept from production.',
    )
    .argument('[options...]', 'settings for the server behind "--", as "-c name=value"')
    .addOption(catalogOptionOfMounts())
    .option('-I, --instance <name>', 'instance in the catalog')
    .option('-i, --backup-id <id>', 'backup id, or "latest" for the newest one that can be mounted')
    .option('-D, --mountpoint <dir>', 'an empty directory, or a mount (default: a temporary one)', directory)
    .option('-d, --diff <dir>', 'where writes go, as with mount; one that was used before knows its backup', directory)
    .option('--ephemeral', 'fsync off; the diff is removed by "pbkfs stop"')
    .option('--port <number>', 'number in the name of its socket (default: 5432)', wholeNumber(1, 65535))
    .option('--socket-dir <dir>', 'where its socket lies (default: a private directory)', directory)
    .option('--diff-limit <size>', 'let the diff grow to this size, such as 20GB', diffSize)
    .option('--passthrough', 'let the kernel read and write new files by itself, as with mount: fast for bulk writes')
    .option(
      '--low-latency',
      'keep processors from sleeping while there is work, as with mount: fast commits and writes',
    )
    .option('--wal-dir <dir>', 'let pg_wal lie in this new or empty directory, as with mount: fast commits', directory)
    .option('--force', 'mount backups in state CORRUPT or ORPHAN too')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP);
  for (const option of [...serverOptions(), ...recoveryOptions()]) {
    if (
      !['--restore-command', '--restore-as-replica', '--primary-conninfo', '--primary-slot-name'].includes(option.long!)
    ) {
      command.addOption(option);
    }
  }
  command.action(async (settings: string[], options: StartOptions) => start(options, serverSettings(settings)));
}

/** SQL for a server that is paused at its target. */
const RESUME = '"select pg_wal_replay_resume()"';

async function start(options: StartOptions, settings: Record<string, string>): Promise<void> {
  const { instance, backupId, mountpoint, diff, port, socketDir, binDir, preloadLibraries: preload } = options;
  const { backupPath: catalog = catalogOfEnvironment(backupId) } = options;
  await refuse(options);
  const { openSession } = await import('../session/session.js');
  const { psqlCommand } = await import('../session/psql.js');
  const { leaveSession } = await import('../session/started.js');
  const { switchedOff } = await import('../session/switched-off.js');
  const recovery = recoveryOf(options);
  await guardedSession(async (guard, progress) => {
    const session = await openSession(
      {
        ...given({ catalog, instance, backupId, mountpoint, diff, port, socketDir, binDir, preload, recovery }),
        ...given({ diffLimit: options.diffLimit, prefetch: options.prefetch, passthrough: options.passthrough }),
        ...given({ lowLatency: options.lowLatency, walDir: options.walDir }),
        ephemeral: options.ephemeral ?? false,
        force: options.force ?? false,
        settings,
      },
      guard,
      progress,
    );
    const psql = options.json ? '' : await psqlCommand(session.server.connection, session.backup);
    leaveSession(session);
    await guard.leave();
    progress.clear();
    for (const warning of leftOut(session.externalDirectories)) progress.warn(warning);
    if (session.paused !== false && session.paused.lockedRelations > 0) {
      progress.warn(
        `a transaction under way at the target has locked ${session.paused.lockedRelations} tables and indexes, and whoever reads them waits: ${RESUME} ends recovery and frees them`,
      );
    }
    const off = switchedOff(session.mountpoint);
    process.stdout.write(options.json ? asJson(session, off) : asText(session, psql, off));
  });
}

/** @throws PbkfsError usage for what makes no sense together, or here */
async function refuse(options: StartOptions): Promise<void> {
  const { mountpoint, diff, ephemeral, walDir, recoveryTargetAction } = options;
  const { isMountPoint } = await import('../sys/mountinfo.js');
  const existing = mountpoint !== undefined && isMountPoint(mountpoint);
  if (diff === undefined && !ephemeral && !existing) {
    throw new PbkfsError('usage', 'give -d DIFF to keep what is written, or --ephemeral to throw it away at the end');
  }
  if (ephemeral && walDir !== undefined) {
    throw new PbkfsError('usage', '--ephemeral syncs no WAL, wherever it lies: leave --wal-dir out');
  }
  if (recoveryTargetAction === 'shutdown') {
    throw new PbkfsError('usage', '--recovery-target-action shutdown leaves no server that runs: pause or promote', {
      hint: '"pbkfs mount" takes it too, for a server of your own',
    });
  }
  refuseAsFirstProcess('run pbkfs from a shell or an init process there: the server is to go on without it');
}

/** @param off settings of the backup that the server does not follow */
function asJson({ backup, mountpoint, diff, server, binaries, user, paused }: Session, off: string[]): string {
  const shown = { backupId: backup.id, mountpoint, diff, ...server.connection, pid: server.pid };
  const all = {
    ...shown,
    serverVersion: binaries.version,
    user: user.name,
    paused: paused !== false,
    switchedOff: off,
  };
  return `${JSON.stringify(all, undefined, 2)}\n`;
}

function asText({ backup, mountpoint, binaries, user, paused }: Session, psql: string, off: string[]): string {
  const lines = [
    `PostgreSQL ${binaries.version} runs on backup ${backup.id} in ${mountpoint} as user ${user.name}`,
    ...(paused === false ? [] : [`paused:  at its recovery target, read-only; ${RESUME} ends recovery`]),
    `connect: ${psql}`,
    `stop:    pbkfs stop -D ${shellWord(mountpoint)}`,
    ...(off.length === 0 ? [] : ['settings of the backup that it does not follow:', ...off.map((line) => `  ${line}`)]),
  ];
  return `${lines.join('\n')}\n`;
}

/** `-c name=value` and `--name=value`, as the server takes them. @throws PbkfsError usage */
function serverSettings(args: readonly string[]): Record<string, string> {
  const settings: Record<string, string> = {};
  for (let at = 0; at < args.length; at++) {
    const text = args[at] === '-c' ? args[++at] : args[at]!.startsWith('--') ? args[at]!.slice(2) : undefined;
    const match = /^([\w.-]+)=(.*)$/s.exec(text ?? '');
    if (match === null) {
      throw new PbkfsError('usage', `the server gets settings only, as "-c name=value", not "${args[at]}"`);
    }
    settings[match[1]!.replaceAll('-', '_')] = match[2]!;
  }
  return settings;
}
