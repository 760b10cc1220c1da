// pbkfs export

import { availableParallelism } from 'node:os';
import { isAbsolute } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { counted } from '../counted.js';
import { MAX_JOBS } from '../mount/export/request.js';
import { secondsSince } from '../sys/stopwatch.js';
import { directory, wholeNumber } from './options.js';
import { ProgressLine } from './progress-line.js';
import { warn } from './report.js';
import { formatBytes } from './text-table.js';

const HELP = `
FROM is a mount point, or the diff of a mount that has ended. The copy is what the mount shows, with modes, times and (as
root) owners; it needs no pbkfs any more. Blocks of zeros become holes, blocks of files made on the mount are shared where the file
system can. Everything is synced at the end. A directory that is not empty is refused, and so is a mount that somebody
writes to, unless --force is given: then files may be of different moments.

Tablespaces become directories in pg_tblspc, which PostgreSQL can use from there; with -T one goes to a directory of its own.

Examples:
  pbkfs export /mnt/pg -o /var/lib/postgresql/15/copy
  pbkfs export /var/lib/pbkfs/test -o /srv/copy -T /data/space=/srv/space -j 8`;

interface ExportOptions {
  readonly output: string;
  readonly jobs?: number;
  readonly tablespaceMapping?: readonly (readonly [string, string])[];
  readonly force?: true;
  readonly sync: boolean;
  readonly json?: true;
}

export function addExportCommand(program: Command): void {
  program
    .command('export')
    .summary('copy a mount or a diff into a plain data directory')
    .description('Copies what a mount shows, or a diff would show, into a plain data directory.')
    .argument('<from>', 'mount point or diff', directory)
    .requiredOption('-o, --output <dir>', 'a new or empty directory', directory)
    .option('-j, --jobs <number>', 'threads (default: one a processor)', wholeNumber(1, MAX_JOBS))
    .option('-T, --tablespace-mapping <old=new>', 'where a tablespace goes; OLD is its directory or oid', mapping)
    .option('--force', 'also while a server runs on the mount or somebody writes to it')
    .option('--no-sync', 'do not wait until the copy is durable')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action(async (from: string, options: ExportOptions) => {
      // Threads cannot be started in a directory that has been removed.
      process.chdir('/');
      // Needs the whole overlay, which hardly any other command loads.
      const { exportTree } = await import('../mount/export/export.js');
      const line = new ProgressLine(process.stderr);
      const begun = performance.now();
      const result = await exportTree({
        from,
        to: options.output,
        jobs: options.jobs ?? availableParallelism(),
        force: options.force ?? false,
        sync: options.sync,
        tablespaces: options.tablespaceMapping ?? [],
        progress: (done, total) => line.draw(done, total),
        warn: (message) => {
          line.clear();
          warn(message);
        },
      }).finally(() => line.clear());
      const seconds = secondsSince(begun);
      const { files, bytes, to } = result;
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ ...result, seconds }, undefined, 2)}\n`
          : `exported ${result.from} to ${to}: ${counted(files, 'file')}, ${formatBytes(bytes)}, ${seconds.toFixed(1)} s\n`,
      );
    });
}

function mapping(value: string, before: readonly (readonly [string, string])[] = []): (readonly [string, string])[] {
  const at = value.indexOf('=');
  const [from, to] = [value.slice(0, at), value.slice(at + 1)];
  if (at < 1 || !isAbsolute(to)) throw new InvalidArgumentError('It must be OLD=NEW, NEW an absolute path.');
  return [...before, [from, directory(to)]];
}
