// pbkfs cleanup

import type { Command } from 'commander';
import { displayPath } from '../backup/index.js';
import { counted } from '../counted.js';
import { PbkfsError } from '../errors.js';
import { cleanup } from '../mount/index.js';
import { directory } from './options.js';
import { formatBytes } from './text-table.js';

const HELP = `
Removes what pbkfs made in DIFF, and DIFF itself when nothing else is in it. A mounted diff is refused, and so is a
directory that is no diff. A diff that holds writes is wiped only with --force. No option wipes a diff while programs that
used its last mount, which was killed, still write to it.

With --sessions it takes away servers, mounts and temporary directories of "pbkfs start", "rescue" and "drill" whose processes
were killed together with the one that cleans up after them, and what a server left whose mount went without "pbkfs stop";
the next of these commands does so too.

Examples:
  pbkfs cleanup -d /var/lib/pbkfs/test
  pbkfs cleanup -d /var/lib/pbkfs/test --force
  pbkfs cleanup --sessions`;

interface CleanupOptions {
  readonly diff?: string;
  readonly sessions?: true;
  readonly force?: true;
  readonly json?: true;
}

export function addCleanupCommand(program: Command): void {
  program
    .command('cleanup')
    .summary('wipe a diff')
    .description('Wipes a diff that nobody uses.')
    .option('-d, --diff <dir>', 'the diff of an earlier mount', directory)
    .option('--sessions', 'take away what killed sessions have left')
    .option('--force', 'also when what was written to the mount is lost')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action(async (options: CleanupOptions) => {
      if (options.sessions) return cleanSessions(options);
      if (options.diff === undefined) {
        throw new PbkfsError('usage', "required option '-d, --diff <dir>' not specified", {
          hint: 'or --sessions, for what killed sessions have left',
        });
      }
      const { diff, binding, objects, bytes, wal, left } = cleanup(options.diff, options.force ?? false);
      const backup = binding?.backup.backupId ?? null;
      if (options.json) {
        const result = { diff, backupId: backup, objects, bytes, wal: wal ?? null, left: left.map(displayPath) };
        process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
        return;
      }
      const of = backup === null ? '' : ` of backup ${backup}`;
      process.stdout.write(`wiped the diff ${diff}${of}: ${counted(objects, 'file')}, ${formatBytes(bytes)}\n`);
      if (wal?.wiped) process.stdout.write(`wiped its WAL in ${wal.directory}\n`);
      else if (wal !== undefined) {
        process.stdout.write(`left ${wal.directory}, where its WAL was: it is missing, or not marked as this diff's\n`);
      }
      if (left.length > 0) {
        process.stdout.write(`left in it, since pbkfs did not make it: ${left.map(displayPath).join(', ')}\n`);
      }
    });
}

async function cleanSessions({ diff, json, force }: CleanupOptions): Promise<void> {
  if (diff !== undefined || force) {
    throw new PbkfsError('usage', '--sessions stands alone: it is not about a diff');
  }
  process.chdir('/');
  const { cleanUpAbandoned } = await import('../session/session-record.js');
  const sessions = await cleanUpAbandoned();
  if (json) {
    process.stdout.write(`${JSON.stringify({ sessions }, undefined, 2)}\n`);
    return;
  }
  if (sessions.length === 0) process.stdout.write('no killed session has left anything\n');
  for (const { paths, left } of sessions) {
    process.stdout.write(`took away ${paths.join(', ')}\n`);
    if (left.length > 0) process.stdout.write(`left, since it may have been used again: ${left.join(', ')}\n`);
  }
}
