// pbkfs list

import type { Command } from 'commander';
import { listMounts, type MountSummary } from '../mount/index.js';
import { formatBytes, formatDuration, renderTable } from './text-table.js';

const HELP = `
Root sees the mounts of all users. STATE is "dead" for a mount whose process has gone ("pbkfs unmount" takes it away),
"hung" for one that has not answered for 5 s or whose process is stopped, "ending" while a process still makes its diff
durable or serves files that are open, and "elsewhere" for one that only bind mounts or other mount namespaces have.

Examples:
  pbkfs list
  pbkfs list --json`;

const HEADER = ['MOUNT POINT', 'INSTANCE', 'BACKUP', 'CHAIN', 'STATE', 'SERVER', 'DIFF', 'UP', 'DIFF DIRECTORY'];

export function addListCommand(program: Command): void {
  program
    .command('list')
    .alias('ls')
    .summary('list the mounts of this host')
    .description('Lists the mounts of this host: backup, chain, PostgreSQL server, size of the diff.')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action(async (options: { readonly json?: true }) => {
      const mounts = await listMounts();
      process.stdout.write(options.json ? `${JSON.stringify({ mounts }, undefined, 2)}\n` : render(mounts));
    });
}

function render(mounts: readonly MountSummary[]): string {
  if (mounts.length === 0) return 'nothing is mounted\n';
  return renderTable([HEADER, ...mounts.map(rowOf)]);
}

function rowOf(mount: MountSummary): string[] {
  return [
    mount.mountpoint,
    mount.instance ?? '?',
    mount.backupId ?? '?',
    mount.chain === null ? '?' : String(mount.chain.length),
    mount.state,
    mount.servers.length === 0 ? '-' : mount.servers.map(({ pid }) => String(pid)).join(', '),
    formatBytes(mount.diffBytes),
    mount.uptimeSeconds === null ? '-' : formatDuration(mount.uptimeSeconds),
    // A mount without a diff is read-only.
    mount.diff ?? (mount.chain === null ? '?' : '-'),
  ];
}
