// docs/benchmarks.md, made from the raw data.

import type { BenchResult, CaseResult, Machine, Row, SideResult } from './results.js';
import { median, ratioOf, sideOf, type Verdict, verdicts } from './statistics.js';

/** Why a target is missed, by the id of a row: bench/causes.json, which maintainers write. */
export type Causes = Readonly<Record<string, string>>;

/** Units of which a sample counts operations. */
const PER_OPERATION = new Set(['op/s', 'tps']);

export function renderPage(result: BenchResult, causes: Causes): string {
  return [
    '# Benchmarks',
    '',
    '<!-- Written by `npm run bench` from docs/benchmarks.json and bench/causes.json: do not edit. -->',
    '',
    ...introduction(result),
    '',
    '## Targets',
    '',
    ...summary(result, causes),
    '',
    ...result.cases.flatMap((section) => [...renderCase(section), '']),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

function introduction(result: BenchResult): string[] {
  const { machine, missingPeers } = result;
  const missing = Object.entries(missingPeers).map(([name, why]) => `- ${name}: ${why}`);
  return [
    `Made by \`${result.command}\` on ${result.started.slice(0, 16).replace('T', ' ')} UTC, ${result.rounds} rounds${result.quick ? ', quick (smaller files, shorter rounds)' : ''}: ` +
      `${machineText(machine)}; load average ${result.load.toFixed(1)} at the start.`,
    '',
    'All sides of a table are measured in turn, round after round. Figures are medians of the rounds; a ratio is the median of the ratios of each round, with the least and the greatest one ' +
      'behind it. Only ratios mean something on another machine. "one CPU": clients and servers together on one CPU, which takes the jumps between CPUs out of the figures. CPU is what the server of the ' +
      'side took during a measurement, per operation where operations are counted, else in seconds; work that the kernel does for a caller is in no server’s CPU time.',
    '',
    '"Warmed up": each side does what is measured for some seconds before the first round, which is not counted, so that a row is about a mount that is in use and not about its first ten thousand requests, ' +
      'while V8 compiles what they run; what the very first measurement gave is the figure behind "at first". Rows without that figure begin at once.',
    '',
    '*native* is the ordinary file system with the same files, as a restored backup would be; *pbkfs* this project with its own backend; *fuse-native* this project with `--backend fuse-native`; ' +
      '*native, processors awake* is the ordinary file system under the setting that `--low-latency` makes while a mount is busy, which speeds up everything on the machine: the fair comparison for the sides with that option; none of these has targets; ' +
      '*passthrough_ll* libfuse’s multi-threaded C example; *fuse-overlayfs* and *overlayfs* Debian’s and the kernel’s overlay over plain files.',
    '',
    ...(missing.length === 0 ? ['No peer was missing.'] : ['Not measured:', '', ...missing]),
  ];
}

function machineText(machine: Machine): string {
  const { cpus, cpu, memoryGib, filesystem, kernel, node, postgres, fio, pbkfs } = machine;
  return `${cpus} CPUs (${cpu}), ${memoryGib} GiB, ${filesystem}, Linux ${kernel}, Node ${node}, PostgreSQL ${postgres}, ${fio}, pbkfs ${pbkfs}`;
}

function summary(result: BenchResult, causes: Causes): string[] {
  const lines = ['| | target | measured | |', '|---|---|---|---|'];
  const reasons: string[] = [];
  for (const row of result.cases.flatMap(({ rows }) => rows)) {
    const all = verdicts(row);
    for (const verdict of all) {
      const { reached } = verdict;
      const word = reached === undefined ? 'not measured' : reached ? 'reached' : '**missed**';
      lines.push(
        `| ${row.what} (\`${row.id}\`) | ${targetText(row, verdict)} | ${measuredText(row, verdict)} | ${word} |`,
      );
    }
    if (all.some(({ reached }) => reached === false)) {
      reasons.push(`- \`${row.id}\`: ${causeOf(row.id, causes) ?? 'cause unknown so far.'}`);
    }
  }
  const judged = result.cases.flatMap(({ rows }) => rows.flatMap((row) => verdicts(row)));
  const count = (reached: boolean | undefined) => judged.filter((verdict) => verdict.reached === reached).length;
  return [
    `${count(true)} targets reached, ${count(false)} missed, ${count(undefined)} not measured.`,
    '',
    ...lines,
    ...(reasons.length === 0 ? [] : ['', 'Why targets are missed:', '', ...reasons]),
  ];
}

/** A cause may stand at the row itself or at the beginning of its id. */
function causeOf(id: string, causes: Causes): string | undefined {
  for (let key = id; key !== ''; key = key.slice(0, Math.max(0, key.lastIndexOf('/')))) {
    if (causes[key] !== undefined) return causes[key];
  }
  return undefined;
}

function targetText({ unit }: Row, { target }: Verdict): string {
  const bound = target.atLeast !== undefined ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
  const who = target.side === undefined ? '' : `${target.side}: `;
  return 'value' in target ? `${who}${bound} ${unit}` : `${who}${bound} × ${target.against}`;
}

function measuredText(row: Row, { target, measured }: Verdict): string {
  if (measured === undefined) return '–';
  if ('value' in target) return `${figure(measured)} ${row.unit}`;
  const side = sideOf(row, target.side ?? 'pbkfs')!;
  const against = sideOf(row, target.against)!;
  const { least, greatest } = ratioOf(side, against);
  const atFirst =
    side.atFirst === undefined || against.atFirst === undefined
      ? ''
      : `, at first ${ratio(side.atFirst / against.atFirst)}`;
  return `${ratio(measured)} (${ratio(least)}…${ratio(greatest)})${atFirst}`;
}

function renderCase(section: CaseResult): string[] {
  const lines = [
    `## ${section.title}`,
    '',
    section.method,
    '',
    `\`npm run bench -- --case ${section.name}\`, ${section.seconds} s, measured ${section.measured.slice(0, 16).replace('T', ' ')} UTC${section.machine === undefined ? '' : `, later than the rest: ${machineText(section.machine)}`}.`,
    '',
  ];
  if (section.failed !== undefined) lines.push(`**Failed:** ${section.failed.split('\n')[0]}`, '');
  for (const rows of groups(section.rows)) lines.push(...table(rows), '');
  if (section.absent.length > 0) lines.push('Not measured here:', '', ...section.absent.map((line) => `- ${line}`), '');
  return lines.slice(0, -1);
}

/** Rows with the same sides share a table. */
function groups(rows: readonly Row[]): Row[][] {
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const key = row.sides.map(({ side }) => side).join('|');
    found.set(key, [...(found.get(key) ?? []), row]);
  }
  return [...found.values()];
}

function table(rows: readonly Row[]): string[] {
  const names = rows[0]!.sides.map(({ side }) => side);
  return [
    `| | unit | ${names.join(' | ')} |`,
    `|---|---|${names.map(() => '---:|').join('')}`,
    ...rows.map((row) => `| ${row.what} | ${row.unit} | ${row.sides.map((side) => cell(row, side)).join(' | ')} |`),
  ];
}

/** Figure, ratio to native, the first try, p99, CPU. */
function cell(row: Row, side: SideResult): string {
  const parts = [figure(median(side.samples))];
  const against = sideOf(row, 'native');
  if (against !== undefined && against !== side && Math.min(...against.samples) > 0) {
    parts.push(`${ratio(ratioOf(side, against).median)}×`);
  }
  if (side.atFirst !== undefined) parts.push(`at first ${figure(side.atFirst)}`);
  if (side.p99 !== undefined) parts.push(`p99 ${figure(median(side.p99))} µs`);
  const { cpuSeconds, operations } = side;
  if (cpuSeconds !== undefined && median(cpuSeconds) > 0) {
    const perOperation = operations?.map((count, round) => (cpuSeconds[round]! * 1e6) / count);
    parts.push(
      perOperation === undefined || !PER_OPERATION.has(row.unit)
        ? `CPU ${figure(median(cpuSeconds))} s`
        : `CPU ${figure(median(perOperation))} µs`,
    );
  }
  return parts.join(', ');
}

function ratio(value: number): string {
  return value >= 10 ? figure(value) : value.toFixed(2);
}

/** Three digits, thousands apart. */
export function figure(value: number): string {
  if (value === 0) return '0';
  const rounded = Number(value.toPrecision(3));
  return rounded >= 1000 ? String(rounded).replace(/\B(?=(\d{3})+$)/g, ' ') : String(rounded);
}
