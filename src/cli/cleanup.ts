// pbkfs cleanup

import type { Command } from 'commander';
import { displayPath } from '../backup/index.js';
import { cleanup } from '../mount/index.js';
import { directory } from './options.js';
import { formatBytes } from './show-table.js';

const HELP = `
Removes what pbkfs made in DIFF, and DIFF itself when nothing else is in it. A mounted diff is refused, and so is a
directory that is no diff. A diff that holds writes is wiped only with --force.

Examples:
  pbkfs cleanup -d /var/lib/pbkfs/test
  pbkfs cleanup -d /var/lib/pbkfs/test --force`;

interface CleanupOptions {
  readonly diff: string;
  readonly force?: true;
  readonly json?: true;
}

export function addCleanupCommand(program: Command): void {
  program
    .command('cleanup')
    .summary('wipe a diff')
    .description('Wipes a diff that nobody uses.')
    .requiredOption('-d, --diff <dir>', 'the diff of an earlier mount', directory)
    .option('--force', 'also when what was written to the mount is lost')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action((options: CleanupOptions) => {
      const { diff, binding, objects, bytes, left } = cleanup(options.diff, options.force ?? false);
      const backup = binding?.backup.backupId ?? null;
      if (options.json) {
        const result = { diff, backupId: backup, objects, bytes, left: left.map(displayPath) };
        process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
        return;
      }
      const of = backup === null ? '' : ` of backup ${backup}`;
      process.stdout.write(`wiped the diff ${diff}${of}: ${objects} files, ${formatBytes(bytes)}\n`);
      if (left.length > 0) {
        process.stdout.write(`left in it, since pbkfs did not make it: ${left.map(displayPath).join(', ')}\n`);
      }
    });
}
