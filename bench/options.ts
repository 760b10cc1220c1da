// The command line of the benchmark.

import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';

export interface BenchOptions {
  /** Names of cases; all where none is given. */
  readonly case: readonly string[];
  readonly rounds: number;
  readonly quick: boolean;
  readonly peers: ReadonlyMap<string, string>;
  /** The page; its raw data lies beside it. */
  readonly out: string | undefined;
  readonly json: boolean;
  readonly work: string;
  readonly pgProbackup: string | undefined;
  readonly guard: boolean;
  readonly merge: boolean;
  readonly list: boolean;
  readonly render: boolean;
}

/** What commander makes of it. */
interface Given {
  readonly case?: readonly string[];
  readonly rounds?: number;
  readonly quick?: boolean;
  readonly peer?: ReadonlyMap<string, string>;
  readonly pgProbackup?: string;
  readonly work: string;
  readonly out?: string;
  readonly merge?: boolean;
  readonly render?: boolean;
  readonly json?: boolean;
  readonly guard?: boolean;
  readonly list?: boolean;
}

const HELP = `
A full run writes the page docs/benchmarks.md and its raw data docs/benchmarks.json anew; with --case, --quick or --json the result is
only printed, unless --out says where it goes. --merge keeps the page's other cases (each section says when it was measured).

--guard is a quick run that compares ratios to native and peers with the committed page and warns about those that have become
worse; figures of their own are not compared, nor is anything written.

Examples:
  npm run bench
  npm run bench -- --quick --case hot-read --case wal
  npm run bench -- --peer passthrough_hp=/mnt/hp --pg-probackup /usr/bin/pg_probackup
  npm run bench -- --guard`;

/** @param page where the committed page is */
export function parseOptions(args: readonly string[], page: string): BenchOptions {
  const command = new Command('npm run bench --')
    .description('Measures a mounted backup against the ordinary file system and its peers.')
    .option('--case <name...>', 'only these cases (--list names them)', collect)
    .option('--rounds <number>', 'rounds of each measurement (default: 3; quick: 2)', whole)
    .option('--quick', 'smaller files and shorter rounds, some 5 minutes in all')
    .option('--peer <NAME=DIR...>', 'measure in this directory of another file system too', peer)
    .option('--pg-probackup <file>', 'the program, to compare restore with')
    .option('--work <directory>', 'where everything lies that is measured: about 25 GB free, a disk', tmpdir())
    .option('--out <file>', 'write the page here, and its raw data as .json beside it')
    .option('--merge', 'keep the cases of the page that were not run')
    .option('--render', 'write the page anew from its raw data, without measuring (after causes.json was edited)')
    .option('--json', 'print the raw data')
    .option('--guard', 'compare a quick run with the committed page')
    .option('--list', 'name the cases')
    .addHelpText('after', HELP);
  // As in pbkfs itself: a wrong option is status 2.
  command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  command.parse(args, { from: 'user' });
  const given = command.opts<Given>();
  const { quick = false, guard = false, json = false, merge = false } = given;
  const chosen = given.case ?? [];
  const writes = chosen.length === 0 && !guard && !json && !quick;
  return {
    case: chosen,
    rounds: given.rounds ?? (quick || guard ? 2 : 3),
    quick: quick || guard,
    peers: given.peer ?? new Map(),
    out: given.out !== undefined ? resolve(given.out) : writes || merge ? page : undefined,
    json,
    work: resolve(given.work),
    pgProbackup: given.pgProbackup,
    guard,
    merge,
    list: given.list ?? false,
    render: given.render ?? false,
  };
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function whole(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 100) throw new InvalidArgumentError('a number from 1 to 100');
  return number;
}

function peer(value: string, before: ReadonlyMap<string, string> = new Map()): Map<string, string> {
  const found = /^([\w.-]+)=(.+)$/.exec(value);
  if (found === null) throw new InvalidArgumentError('NAME=DIRECTORY');
  return new Map(before).set(found[1]!, resolve(found[2]!));
}
