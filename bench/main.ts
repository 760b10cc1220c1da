// `npm run bench`: a mounted backup against the ordinary file system and its peers, and the page that tells the result.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { mountMissing } from '../test/support/mount.js';
import { repoRoot } from '../test/support/paths.js';
import { cases } from './cases/index.js';
import { type BenchOptions, parseOptions } from './options.js';
import { compareRuns, describeRegressions } from './report/guard.js';
import { type Causes, renderPage } from './report/page.js';
import type { BenchResult, CaseResult } from './report/results.js';
import { Context, runCase } from './run/context.js';
import { describeMachine, said } from './run/machine.js';
import { Progress } from './run/progress.js';
import { Stage } from './run/stage.js';

const PAGE = join(repoRoot, 'docs/benchmarks.md');
const CAUSES = join(repoRoot, 'bench/causes.json');

const rawOf = (page: string): string => page.replace(/(\.md)?$/, '.json');

function readRaw(page: string): BenchResult | undefined {
  const file = rawOf(page);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as BenchResult) : undefined;
}

function write(page: string, result: BenchResult): void {
  const texts = [
    [
      rawOf(page),
      `${JSON.stringify(result, undefined, 1).replace(/(?<=\[)\s+(-?[\d.e+,\s-]+?)\s+(?=\])/g, (_, list: string) => list.replace(/\s+/g, ' '))}\n`,
    ],
    [page, renderPage(result, JSON.parse(readFileSync(CAUSES, 'utf8')) as Causes)],
  ] as const;
  for (const [file, text] of texts) {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }
}

async function measure(options: BenchOptions, args: readonly string[]): Promise<BenchResult> {
  const chosen = options.case.length === 0 ? cases : cases.filter(({ name }) => options.case.includes(name));
  const stage = new Stage(options.work);
  const interrupted = (signal: NodeJS.Signals): void => {
    process.stderr.write(`\nbench: ${signal}, cleaning up\n`);
    void stage.clear().finally(() => process.exit(1));
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  const progress = new Progress();
  const common = { stage, missingPeers: new Map<string, string>(), made: new Map<string, Promise<unknown>>() };
  const run: BenchResult = {
    format: 1,
    command: ['npm run bench', ...(args.length === 0 ? [] : ['--', ...args])].join(' '),
    started: new Date().toISOString(),
    quick: options.quick,
    rounds: options.rounds,
    machine: describeMachine(stage.directory),
    load: loadavg()[0]!,
    missingPeers: {},
    cases: [],
  };
  const results: CaseResult[] = [];
  try {
    for (const [index, bench] of chosen.entries()) {
      progress.begin(index + 1, chosen.length, bench.name);
      const own = new Stage(stage.directory);
      stage.teardown(() => own.clear());
      const result = await runCase(bench, new Context(options, own, progress, common));
      progress.end();
      if (result.failed !== undefined) process.stderr.write(`bench: ${bench.name} failed: ${result.failed}\n`);
      results.push(result);
    }
  } finally {
    await stage.clear();
  }
  return { ...run, missingPeers: Object.fromEntries(common.missingPeers), cases: results };
}

/** The cases of the page that were not measured now stay, in the order of the page. */
function merge(before: BenchResult | undefined, now: BenchResult): BenchResult {
  if (before === undefined) return now;
  const { machine } = now;
  const measured = now.cases.map((result) => ({ ...result, machine }));
  const all = new Map([...before.cases, ...measured].map((result) => [result.name, result]));
  const order = cases.map(({ name }) => name);
  const missingPeers = { ...before.missingPeers, ...now.missingPeers };
  return {
    ...before,
    missingPeers,
    cases: [...all.values()].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name)),
  };
}

function guard(result: BenchResult): void {
  const committed = readRaw(PAGE);
  if (committed === undefined) {
    process.stderr.write(`bench: there is no ${rawOf(PAGE)} to compare with\n`);
    process.exitCode = 1;
    return;
  }
  const { compared, regressions } = compareRuns(committed, result);
  for (const line of describeRegressions(regressions)) process.stdout.write(`warning: slower: ${line}\n`);
  process.stdout.write(
    `${compared} ratios compared with the committed page, ${regressions.length} have become worse\n`,
  );
}

/** What the measuring needs beside a compiler of our own. */
function missing(): string | undefined {
  if (mountMissing !== false) return mountMissing;
  if (said('fio', ['--version']) === undefined) return 'fio is not installed (Debian: apt-get install fio)';
  if (said('taskset', ['--version']) === undefined)
    return 'taskset is not installed (Debian: apt-get install util-linux)';
  return undefined;
}

const args = process.argv.slice(2);
const options = parseOptions(args, PAGE);
const unknown = options.case.filter((name) => !cases.some((known) => known.name === name));
if (options.list) {
  for (const { name, title } of cases) process.stdout.write(`${name.padEnd(16)}${title}\n`);
} else if (options.render) {
  const page = options.out ?? PAGE;
  const result = readRaw(page);
  if (result === undefined) throw new Error(`there is no ${rawOf(page)}`);
  write(page, result);
} else if (unknown.length > 0) {
  process.stderr.write(`bench: no case ${unknown.join(', ')}\nhint: --list names them\n`);
  process.exitCode = 2;
} else if (missing() !== undefined) {
  process.stderr.write(`bench: ${missing()}\n`);
  process.exitCode = 1;
} else {
  const measured = await measure(options, args);
  if (options.guard) guard(measured);
  else {
    const result = options.merge && options.out !== undefined ? merge(readRaw(options.out), measured) : measured;
    if (options.out !== undefined) write(options.out, result);
    if (options.json) process.stdout.write(`${JSON.stringify(measured)}\n`);
    else if (options.out === undefined) process.stdout.write(renderPage(measured, {}));
    else process.stdout.write(`wrote ${options.out} and ${rawOf(options.out)}\n`);
  }
  if (measured.cases.some(({ failed }) => failed !== undefined)) process.exitCode = 1;
}
