// pbkfs rescue

import { type Command, InvalidArgumentError } from 'commander';
import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import type { Rescued } from '../session/rescue.js';
import type { RescueFormat } from '../session/rescue-plan.js';
import { guardedSession } from './guarded-session.js';
import { catalogOption, diffSize, directory, oneOf } from './options.js';
import { type TargetOptions, targetOf, targetOptions, timelineOf } from './recovery-options.js';
import { type ThrowAwayOptions, throwAwayOptions } from './session-options.js';
import { targetTime } from './target-time.js';
import { formatBytes } from './text-table.js';

interface RescueOptions extends TargetOptions, ThrowAwayOptions {
  readonly backupPath: string;
  readonly instance: string;
  readonly backupId?: string;
  readonly time?: number;
  readonly table?: string[];
  readonly database?: string;
  readonly query?: string;
  readonly output: string;
  readonly format?: RescueFormat;
  readonly diffLimit?: number;
  readonly force?: true;
  readonly json?: true;
}

const HELP = `
Mounts the backup on a temporary directory, starts a throw-away server, recovers to the time, writes what was asked for
and takes everything away again. With --time, or -i latest, it takes the newest backup that is consistent before it. The
output appears when it is complete, readable for its owner only. custom and plain are pg_dump's, of the backup's
PostgreSQL version; csv and copy (and plain, but without table definitions) need no program of PostgreSQL.

Examples:
  pbkfs rescue -B /backup -I main --time '2026-11-21 04:28:33' --table app.public.orders -o orders.dump
  pbkfs rescue -B /backup -I main -i TOU5PO --table app.public.orders --table app.public.items -o /tmp/out/ --format csv
  pbkfs rescue -B /backup -I main -i latest --database app --query 'select * from orders where id < 100' -o orders.csv`;

export function addRescueCommand(program: Command): void {
  const command = program
    .command('rescue')
    .summary('dump tables of a backup, as of any time')
    .description('Writes tables, a database or the rows of a query as they were at the end of a backup or at a time.')
    .addOption(catalogOption())
    .requiredOption('-I, --instance <name>', 'instance in the catalog')
    .option('-i, --backup-id <id>', 'backup id, or "latest"')
    .option('--time <time>', 'as they were at this time (the same as --recovery-target-time)', targetTime)
    .option('--table <name...>', 'DATABASE.SCHEMA.TABLE; may be given again')
    .option('--database <name>', 'the whole database, or the one for --query')
    .option('--query <sql>', 'the rows of this query')
    .requiredOption('-o, --output <path>', 'a file, or a directory for several files', outputPath)
    .option(
      '--format <format>',
      'custom, plain, csv, copy (default: custom; csv for a query)',
      oneOf('custom', 'plain', 'csv', 'copy'),
    )
    .option('--diff-limit <size>', 'give up when the diff grows to this size, such as 20GB', diffSize)
    .option('--force', 'use backups in state CORRUPT or ORPHAN too')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP);
  for (const option of [...throwAwayOptions(), ...targetOptions()]) command.addOption(option);
  command.action(async (options: RescueOptions) => run(options));
}

async function run(options: RescueOptions): Promise<void> {
  const { backupPath: catalog, instance, backupId, database, format, username: role, workDir, binDir } = options;
  const { parseTableName } = await import('../session/table-name.js');
  const tables = (options.table ?? []).map((name) => parseTableName(name, database));
  const { recoveryTargetTime = options.time } = options;
  const target = targetOf({ ...options, ...given({ recoveryTargetTime }) });
  check(options, tables.length, target?.kind);
  const query = options.query === undefined ? undefined : await statement(options.query);
  const request = {
    catalog,
    instance,
    tables,
    output: options.output,
    force: options.force ?? false,
    timeline: timelineOf(options),
    ...given({
      backupId,
      target,
      database,
      query,
      format,
      role,
      workDir,
      binDir,
    }),
    ...given({ preload: options.preloadLibraries, diffLimit: options.diffLimit, prefetch: options.prefetch }),
    ...given({
      inclusive: options.recoveryTargetInclusive === undefined ? undefined : options.recoveryTargetInclusive === 'true',
    }),
  };
  const { rescue } = await import('../session/rescue.js');
  const result = await guardedSession(async (guard, progress) => {
    const rescued = await rescue(request, guard, progress);
    await guard.finish();
    progress.clear();
    return rescued;
  });
  process.stdout.write(options.json ? `${JSON.stringify(result, undefined, 2)}\n` : describe(result));
}

async function statement(query: string): Promise<string> {
  const { oneStatement } = await import('../session/one-statement.js');
  return oneStatement(query);
}

/** With a slash at its end it is a directory, also one that is not there yet. */
function outputPath(value: string): string {
  if (value === '-') {
    throw new InvalidArgumentError(
      'It comes whole or not at all, so not on standard output. A file of that name is ./-',
    );
  }
  const path = directory(value);
  return value.endsWith('/') ? `${path}/` : path;
}

function check(options: RescueOptions, tables: number, target: string | undefined): void {
  const usage = (message: string): never => {
    throw new PbkfsError('usage', message);
  };
  const { query, database, format, backupId } = options;
  if (backupId === undefined && target !== 'time') usage('give a backup with -i, or a moment with --time');
  if (options.time !== undefined && options.recoveryTargetTime !== undefined) usage('--time is given twice');
  if (query !== undefined && tables > 0) usage('give --table or --query, not both');
  if (query !== undefined && database === undefined) usage('--query needs --database');
  if (query === undefined && tables === 0 && database === undefined)
    usage('say what to rescue: --table, --database or --query');
  if (query !== undefined && (format === 'custom' || format === 'plain'))
    usage('the rows of a query come as csv or copy');
  if (query === undefined && tables === 0 && (format === 'csv' || format === 'copy')) {
    usage('a whole database comes as custom or plain');
  }
}

function describe(result: Rescued): string {
  const { backupId, targetTime, files, format, catalogBytes, diffBytes, clusterBytes, seconds } = result;
  const lines = files.map(({ path, bytes }) => `wrote ${path} (${format}, ${formatBytes(bytes)})`);
  const share = clusterBytes > 0 ? ` of a cluster of ${formatBytes(clusterBytes)}` : '';
  const moment = targetTime === undefined ? '' : `, as of ${targetTime},`;
  lines.push(
    `from backup ${backupId}${moment} in ${seconds.toFixed(1)} s: ${formatBytes(catalogBytes)} read from the catalog${share}, a diff of ${formatBytes(diffBytes)} that is gone`,
  );
  return `${lines.join('\n')}\n`;
}
