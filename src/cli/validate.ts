// pbkfs validate

import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import {
  checksumSwitch,
  displayPath,
  isDamage,
  memberIds,
  openCatalog,
  type Problem,
  passedOverWarning,
  resolveChain,
  validateChain,
} from '../backup/index.js';
import { counted } from '../counted.js';
import { lockChain } from '../mount/index.js';
import { secondsSince } from '../sys/stopwatch.js';
import { catalogOption, wholeNumber } from './options.js';
import { ProgressLine } from './progress-line.js';
import { warn } from './report.js';
import { formatBytes } from './text-table.js';

interface ValidateOptions {
  readonly backupPath: string;
  readonly instance: string;
  readonly backupId: string;
  readonly jobs?: number;
  readonly json?: true;
}

const HELP = `
Checks every member of the backup's chain: file lists, CRCs of all stored files, header maps, every page, and every
record of the WAL that makes the backup consistent; also whether pg_probackup has lost blocks without a word. One line is
printed for each problem. A page whose LSN is later than the backup's end is a warning, as it is to pg_probackup: backups
of a standby may have such pages. The backup's status is not changed; run "pg_probackup validate" for that.

Examples:
  pbkfs validate -B /backup -I main -i latest
  pbkfs validate -B /backup -I main -i TOU5PO -j 8 --json`;

export function addValidateCommand(program: Command, setStatus: (status: number) => void): void {
  program
    .command('validate')
    .summary('check a backup and its whole chain')
    .description('Checks that a backup and its whole chain can be read, byte by byte.')
    .addOption(catalogOption())
    .requiredOption('-I, --instance <name>', 'instance in the catalog')
    .requiredOption('-i, --backup-id <id>', 'backup id, or "latest" for the newest one that can be mounted')
    .option('-j, --jobs <number>', 'threads (default: one a processor)', wholeNumber(1, 256))
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action(async (options: ValidateOptions) => setStatus(await validate(options)));
}

async function validate(options: ValidateOptions): Promise<number> {
  // Threads cannot be started in a directory that has been removed.
  process.chdir('/');
  const catalog = openCatalog(options.backupPath);
  const { instance, backupId } = options;
  // What is known to be damaged is worth a look all the more.
  const force = backupId.toLowerCase() !== 'latest';
  const found = resolveChain(catalog, instance, backupId, { force, purpose: 'read' });
  const lock = await lockChain(found);
  try {
    const chain = resolveChain(catalog, instance, found.target.id, { force: true, purpose: 'read' });
    for (const warning of [...passedOverWarning(found), ...lock.warnings, ...checksumSwitch(chain)]) {
      warn(warning);
    }
    const line = new ProgressLine(process.stderr);
    const began = performance.now();
    const { files, bytes, problems, warnings } = await validateChain(catalog, chain, {
      jobs: options.jobs ?? availableParallelism(),
      found: (problem) => {
        line.clear();
        if (!isDamage(problem)) warn(describe(problem));
        else if (!options.json) process.stdout.write(`${describe(problem)}\n`);
      },
      progress: (done, total) => line.draw(done, total),
    });
    line.clear();
    const seconds = secondsSince(began);
    const ids = memberIds(chain);
    if (options.json) {
      const result = {
        instance,
        backupId: chain.target.id,
        chain: ids,
        valid: problems.length === 0,
        files,
        bytes,
        seconds,
        problems: problems.map(shown),
        warnings: warnings.map(shown),
      };
      process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
    } else {
      const amount = `${counted(ids.length, 'backup')}, ${counted(files, 'file')}, ${formatBytes(bytes)}`;
      const verdict = problems.length === 0 ? 'is valid' : `is damaged: ${counted(problems.length, 'problem')}`;
      process.stdout.write(`backup ${chain.target.id} ${verdict} (${amount}, ${seconds.toFixed(1)} s)\n`);
    }
    return problems.length === 0 ? 0 : 1;
  } finally {
    await lock.release();
  }
}

/** A problem as JSON has it. */
function shown({ backup, ...problem }: Problem): object {
  return { backupId: backup, ...problem, file: displayPath(problem.file) };
}

function describe({ backup, file, block, message }: Problem): string {
  return `backup ${backup}, file ${displayPath(file)}${block === undefined ? '' : `, block ${block}`}: ${message}`;
}
