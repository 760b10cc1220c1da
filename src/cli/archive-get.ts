// pbkfs archive-get: the restore_command of a server. PostgreSQL takes an exit status of 1 to 125 for "not there" and
// goes on without the file, perhaps to the end of recovery; anything above ends recovery with an error. So only a file
// that really is not in the archive gives 1, and every other failure 255.

import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type Command, CommanderError } from 'commander';
import { isWalName, WalArchive, walDirectory } from '../backup/wal/index.js';
import { PbkfsError } from '../errors.js';
import { checkReplaceable } from '../sys/ordinary-file.js';
import { catalogOption } from './options.js';

interface ArchiveGetOptions {
  readonly backupPath: string;
  readonly instance: string;
  readonly walFileName?: string;
  readonly walFilePath?: string;
}

const NOT_THERE = 1;
const ABORT_RECOVERY = 255;

const HELP = `
For restore_command of PostgreSQL. Segments may be stored plain, as .gz, .lz4 or .zst, or as .partial; they are checked
before they are handed out. A mounted backup serves the same files decompressed in .pbkfs/wal, without this program.

Exit status, as PostgreSQL wants it (other than elsewhere): 1 the file is not in the archive, PostgreSQL goes on with
what it has; 255 anything else, wrong options included: recovery must not go on as if the WAL had ended.

Examples:
  pbkfs archive-get -B /backup -I main 000000010000000000000017 /tmp/segment
  restore_command = 'pbkfs archive-get -B /backup -I main %f %p'
  restore_command = 'pbkfs archive-get -B /backup --instance main --wal-file-path=%p --wal-file-name=%f'`;

export function addArchiveGetCommand(program: Command, setStatus: (status: number) => void): void {
  program
    .command('archive-get')
    .summary('fetch one WAL file for restore_command')
    .description('Fetches one file from the WAL archive of a catalog, for restore_command.')
    .argument('[name]', 'the file wanted (%f)')
    .argument('[path]', 'where to put it (%p)')
    .addOption(catalogOption())
    .requiredOption('-I, --instance <name>', 'instance in the catalog')
    .option('--wal-file-name <name>', 'the same as NAME, as pg_probackup calls it')
    .option('--wal-file-path <path>', 'the same as PATH, as pg_probackup calls it')
    .addHelpText('after', HELP)
    .action((name: string | undefined, path: string | undefined, options: ArchiveGetOptions) => {
      setStatus(archiveGet(options, name ?? options.walFileName, path ?? options.walFilePath));
    });
}

/** The exit status for a failure that is not a missing file; help is none. */
export function abortStatus(error: unknown): number {
  return error instanceof CommanderError && error.exitCode === 0 ? 0 : ABORT_RECOVERY;
}

function archiveGet(options: ArchiveGetOptions, name: string | undefined, path: string | undefined): number {
  if (name === undefined || path === undefined || path === '') {
    throw new PbkfsError('usage', 'the name of the WAL file and the path to put it are needed', {
      hint: "restore_command = 'pbkfs archive-get -B CATALOG -I INSTANCE %f %p'",
    });
  }
  if (!isWalName(name))
    throw new PbkfsError('usage', `"${name}" is not the name of a WAL file`, {
      hint: 'PostgreSQL puts the name in for %f of restore_command',
    });
  checkReplaceable(path, 'name a new file: a segment comes whole or not at all');
  const where = walDirectory(options.backupPath, options.instance);
  const archive = new WalArchive(where);
  const bytes = archive.read(name);
  if (bytes === undefined) {
    if (!existsSync(archive.directory)) {
      throw new PbkfsError('catalog_not_found', `there is no WAL archive ${archive.directory}`, {
        hint: 'check -B and -I, and that the catalog is mounted on this host',
      });
    }
    process.stderr.write(`pbkfs: ${name} is not in ${archive.directory}\n`);
    return NOT_THERE;
  }
  writeWhole(path, bytes);
  return 0;
}

/** PostgreSQL must never see half a file, whatever happens to this process; it makes the file durable itself. */
function writeWhole(path: string, bytes: Buffer): void {
  const unfinished = `${path}.pbkfs-part`;
  try {
    writeFileSync(unfinished, bytes, { mode: 0o600 });
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    throw new PbkfsError('internal', `cannot write ${basename(path)} to ${path}: ${code}`, {
      hint: 'PostgreSQL puts the path in for %p, relative to the data directory: archive-get must run there',
      cause: error,
    });
  }
}
