// pbkfs stat

import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { countedThings } from '../metrics/definitions.js';
import { type MountStat, readStat, resetStat } from '../mount/index.js';
import { chosenMount, withMountArgument } from './mount-argument.js';
import { oneOf } from './options.js';
import { formatBytes } from './text-table.js';

const HELP = `
Counters are counted from the start of the mount, or from the last --counters-reset of this user. A reset changes no
metric: only "pbkfs stat" counts from there. --watch shows what was added since the line before; as JSON, one line each.

Examples:
  pbkfs stat /mnt/pg
  pbkfs stat /mnt/pg --format json
  pbkfs stat /mnt/pg --watch 5`;

interface StatOptions {
  readonly mountpoint?: string;
  readonly format: 'text' | 'json';
  readonly json?: true;
  readonly countersReset?: true;
  readonly total?: true;
  readonly watch?: number | true;
}

export function addStatCommand(program: Command): void {
  withMountArgument(program.command('stat'))
    .summary('show what a mount has done')
    .description('Shows the counters of a mount: requests, where blocks came from, caches, damage.')
    .option('--format <format>', 'text or json', oneOf('text', 'json'), 'text')
    .option('--json', 'the same as --format json; errors too, on stderr')
    .option('--counters-reset', 'show them, and count from here on')
    .option('--total', 'count from the start of the mount, whatever was reset')
    .option('--watch [seconds]', 'go on, every so many seconds (default: 2), until interrupted', seconds)
    .addHelpText('after', HELP)
    .action(async (argument: string | undefined, options: StatOptions) => {
      const mountpoint = chosenMount(argument, options.mountpoint);
      const json = options.json === true || options.format === 'json';
      if (options.watch !== undefined) {
        await watch(mountpoint, options.watch === true ? 2 : options.watch, json, options.total ?? false);
        return;
      }
      const stat = await (options.countersReset ? resetStat(mountpoint) : readStat(mountpoint, options.total ?? false));
      process.stdout.write(json ? `${JSON.stringify(shown(stat), undefined, 2)}\n` : render(stat));
    });
}

function seconds(value: string): number {
  const number = Number(value);
  if (value === '' || !(number >= 0.1 && number <= 86_400)) {
    throw new InvalidArgumentError('It must be a number of seconds from 0.1 to 86400.');
  }
  return number;
}

/** The mount point is looked up every time: a mount that ends is an error, and one that comes back is another. */
async function watch(mountpoint: string, interval: number, json: boolean, total: boolean): Promise<void> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  let before = await readStat(mountpoint, total);
  if (json) process.stdout.write(`${JSON.stringify(shown(before))}\n`);
  else process.stdout.write(render(before));
  for (;;) {
    try {
      await sleep(interval * 1000, undefined, { signal: stop.signal });
    } catch {
      return;
    }
    const now = await readStat(mountpoint, total);
    process.stdout.write(json ? `${JSON.stringify(shown(now))}\n` : `${changes(before, now)}\n`);
    before = now;
  }
}

function shown({ mountpoint, since, status }: MountStat): object {
  return { mountpoint, since: since === undefined ? null : new Date(since).toISOString(), ...status };
}

function render({ mountpoint, since, status }: MountStat): string {
  const from = since === undefined ? '' : `, counted since ${new Date(since).toISOString()}`;
  const lines = [
    `backup ${status.backupId} of ${status.instance} on ${mountpoint}${from}`,
    `  backups of the chain: ${status.chain.length}, ${status.chainState}`,
    `  inodes the kernel knows: ${status.inodes}; block indexes: ${formatBytes(status.indexBytes)}`,
  ];
  const all = [...groups(status.counters)];
  for (const [metric, { help, values }] of all) {
    const text = values
      .filter(({ value }) => value !== 0)
      .map(({ label, value }) => `${label}${amount(metric, value)}`);
    if (text.length > 0) lines.push(`${help} (${metric})`, `  ${text.join('  ')}`);
  }
  lines.push('all other counters are 0');
  return `${lines.join('\n')}\n`;
}

interface Group {
  readonly help: string;
  readonly values: { readonly label: string; readonly value: number }[];
}

/** Counters of one metric belong together. */
function groups(counters: Readonly<Record<string, number>>): Map<string, Group> {
  const found = new Map<string, Group>();
  for (const { name, metric, label, help } of countedThings) {
    const group = found.get(metric) ?? { help, values: [] };
    group.values.push({ label: label === undefined ? '' : `${label} `, value: counters[name] ?? 0 });
    found.set(metric, group);
  }
  return found;
}

function amount(metric: string, value: number): string {
  return metric.endsWith('_bytes_total') ? formatBytes(value) : String(value);
}

/** What was added between two looks, on one line. */
function changes(before: MountStat, now: MountStat): string {
  const added: string[] = [];
  for (const { name, metric } of countedThings) {
    // After a reset, or on another mount, everything is new.
    const [from, to] = [before.status.counters[name] ?? 0, now.status.counters[name] ?? 0];
    const value = to >= from ? to - from : to;
    if (value > 0) added.push(`${name} ${amount(metric, value)}`);
  }
  return `${new Date().toISOString()}  ${added.length === 0 ? 'nothing' : added.join('  ')}`;
}
