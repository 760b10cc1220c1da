// pbkfs drill

import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { counted } from '../counted.js';
import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import { MAX_CLIENTS } from '../postgres/safe-settings.js';
import type { Drilled } from '../session/drill/drill.js';
import type { DrillRun } from '../session/drill/drill-run.js';
import type { Finding } from '../session/drill/finding.js';
import { catalogOption, diffSize, directory, wholeNumber } from './options.js';
import { type TargetOptions, targetOf, targetOptions, timelineOf } from './recovery-options.js';
import { type ThrowAwayOptions, throwAwayOptions } from './session-options.js';
import { sessionProgress } from './session-progress.js';
import { formatBytes } from './text-table.js';

interface DrillOptions extends TargetOptions, ThrowAwayOptions {
  readonly backupPath: string;
  readonly instance: string;
  readonly backupId?: string;
  readonly all?: true;
  readonly amcheck?: true;
  readonly checksums?: true;
  readonly sql?: string[];
  readonly database: string;
  readonly metricsFile?: string;
  readonly diffLimit?: number;
  readonly jobs?: number;
  readonly force?: true;
  readonly json?: true;
}

const HELP = `
Mounts the backup on a temporary directory, starts a throw-away server, recovers until it is consistent (or to the target
given), connects to every database, makes the checks asked for and takes everything away, also after Ctrl-C or kill -9.
Without -i it takes the newest backup that can be mounted. Exit status 0 means that everything passed, 1 that something
did not.

A file of SQL fails when a statement fails, or when a statement whose first column is a boolean returns a row that does
not say true; other results do not matter. --checksums is passed over in a cluster without page checksums.

Examples:
  pbkfs drill -B /backup -I main
  pbkfs drill -B /backup -I main --amcheck --checksums --sql /etc/pbkfs/app.sql --database app
  pbkfs drill -B /backup -I main --all --json
  pbkfs drill -B /backup -I main --recovery-target latest --metrics-file /var/lib/node_exporter/pbkfs-main.prom`;

export function addDrillCommand(program: Command, setStatus: (status: number) => void): void {
  const command = program
    .command('drill')
    .summary('prove that a backup can be recovered, and check it')
    .description('Recovers a backup on a throw-away server, checks what came out, and reports.')
    .addOption(catalogOption())
    .requiredOption('-I, --instance <name>', 'instance in the catalog')
    .option('-i, --backup-id <id>', 'backup id (default: the newest that can be mounted)')
    .option('--all', 'every backup of the instance that can be mounted, newest first')
    .option('--amcheck', 'check tables and B-tree indexes of all databases with the extension amcheck')
    .option('--checksums', 'check the page checksums of all files after recovery')
    .option('--sql <file...>', 'run statements of a file; may be given again')
    .option('--database <name>', 'where --sql runs', 'postgres')
    .option('--metrics-file <file>', 'write metrics for the textfile collector of node_exporter', directory)
    .option('--diff-limit <size>', 'fail when the diff grows to this size, such as 20GB', diffSize)
    .option(
      '-j, --jobs <number>',
      'connections and files at a time (default: one a processor)',
      wholeNumber(1, MAX_CLIENTS),
    )
    .option('--force', 'drill backups in state CORRUPT or ORPHAN too')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP);
  const targets = targetOptions().filter(({ long }) => long !== '--recovery-target-inclusive');
  for (const option of [...throwAwayOptions(), ...targets]) command.addOption(option);
  command.action(async (options: DrillOptions) => setStatus(await run(options)));
}

async function run(options: DrillOptions): Promise<number> {
  const { backupPath: catalog, instance, backupId, database, diffLimit, workDir, binDir, metricsFile } = options;
  if (backupId !== undefined && options.all) throw new PbkfsError('usage', '-i and --all exclude each other');
  const progress = sessionProgress();
  const request = {
    catalog,
    instance,
    amcheck: options.amcheck ?? false,
    checksums: options.checksums ?? false,
    sql: (options.sql ?? []).map((file) => resolve(file)),
    database,
    jobs: options.jobs ?? Math.min(availableParallelism(), MAX_CLIENTS),
    all: options.all ?? false,
    force: options.force ?? false,
    timeline: timelineOf(options),
    ...given({ backupId, target: targetOf(options) }),
    ...given({ diffLimit, workDir, binDir, metricsFile, role: options.username }),
    ...given({ preload: options.preloadLibraries, prefetch: options.prefetch }),
  };
  const { drillBackups } = await import('../session/drill/drill-run.js');
  process.chdir('/');
  let passed = false;
  await drillBackups(request, progress, {
    drilled: (drilled) => {
      progress.clear();
      if (!options.json) process.stdout.write(describe(drilled));
    },
    ended: (result) => {
      progress.clear();
      process.stdout.write(options.json ? `${JSON.stringify(result, undefined, 2)}\n` : summary(result));
      passed = result.passed;
    },
  });
  return passed ? 0 : 1;
}

function describe(drilled: Drilled): string {
  const { backupId, mode, passed, findings, seconds, catalogBytes, diffBytes, clusterBytes } = drilled;
  const lines = [`backup ${backupId} (${mode}) ${passed ? 'passed' : 'FAILED'} in ${seconds.toFixed(1)} s`];
  for (const finding of findings) lines.push(...describeFinding(finding));
  const share = clusterBytes > 0 ? ` of a cluster of ${formatBytes(clusterBytes)}` : '';
  // Not known where no server came up: then the session took its mount away itself.
  if (diffBytes > 0) {
    lines.push(
      `  ${formatBytes(catalogBytes)} read from the catalog${share}; the diff took ${formatBytes(diffBytes)} and is gone`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function describeFinding({ check, passed, skipped, what, problems, problemCount, seconds }: Finding): string[] {
  const name = check.padEnd(9);
  if (skipped !== undefined) return [`  ${name}  -     ${skipped}`];
  const verdict = passed ? what : `${counted(problemCount, 'problem')}`;
  const lines = [`  ${name}  ${passed ? 'ok  ' : 'FAIL'}  ${verdict} (${seconds.toFixed(1)} s)`];
  for (const problem of problems) lines.push(`    ${problem.trimEnd().replaceAll('\n', '\n      ')}`);
  if (problemCount > problems.length) lines.push(`    … and ${problemCount - problems.length} more`);
  return lines;
}

function summary({ backups, passedOver, passed }: DrillRun): string {
  const lines = passedOver.map(({ backupId, reason }) => `passed over ${backupId}: ${reason}`);
  if (backups.length > 1) {
    const good = backups.filter((backup) => backup.passed).length;
    lines.push(`${good} of ${backups.length} backups passed${passed ? '' : ': FAILED'}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}
