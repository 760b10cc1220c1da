// pbkfs fsck

import type { Command } from 'commander';
import { displayPath } from '../backup/index.js';
import type { FsckResult } from '../mount/diff/fsck.js';
import { directory } from './options.js';
import { warn } from './report.js';
import { formatBytes } from './text-table.js';

interface FsckOptions {
  readonly diff: string;
  readonly backupPath?: string;
  readonly repair?: true;
  readonly json?: true;
}

const HELP = `
The diff must not be mounted. Without --repair nothing is changed. With it, fsck does what the next mount would do
before it serves anything: cut a torn tail off the journal, make durable what a killed mount left, remove orphaned
objects. What was durable and is broken is reported and cannot be repaired. Exit status 1 means that there is such damage.

Examples:
  pbkfs fsck -d /var/lib/pbkfs/test
  pbkfs fsck -d /var/lib/pbkfs/test --repair`;

export function addFsckCommand(program: Command, setStatus: (status: number) => void): void {
  program
    .command('fsck')
    .summary('explain, check and repair a diff')
    .description('Says what a diff holds, checks all of it, and repairs what can be repaired.')
    .requiredOption('-d, --diff <dir>', 'the diff of an earlier mount', directory)
    .option('-B, --backup-path <catalog>', 'where the catalog is, if it has moved', directory)
    .option('--repair', 'repair what can be repaired')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action(async (options: FsckOptions) => {
      // Needs the whole overlay, which hardly any other command loads.
      const { fsck, repairs } = await import('../mount/diff/fsck.js');
      const { diff, backupPath, repair = false } = options;
      const result = fsck({ diff, repair, ...(backupPath === undefined ? {} : { catalog: backupPath }) }, warn);
      process.stdout.write(
        options.json
          ? `${JSON.stringify(shown(result, repairs(result)), undefined, 2)}\n`
          : describe(result, repairs(result)),
      );
      setStatus(result.damage.length === 0 ? 0 : 1);
    });
}

function shown(result: FsckResult, pending: readonly string[]): object {
  const objects = result.objects.map((object) => ({ ...object, path: displayPath(object.path) }));
  return { ...result, objects, sound: result.damage.length === 0, pending };
}

const MOST_LINES = 30;

function describe(result: FsckResult, pending: readonly string[]): string {
  const { binding, journal, objects, orphans, names, damage, repaired, foreign, unsafe } = result;
  const { backup, lastMount, catalog } = binding;
  const lines = [
    `diff of backup ${backup.backupId}, instance ${backup.instance}, catalog ${catalog}`,
    `last mounted on ${lastMount.mountpoint}: ${ending(lastMount)}`,
  ];
  if (journal !== null) {
    const torn = journal.tornBytes > 0 ? `, the last ${journal.tornBytes} bytes are torn` : '';
    lines.push(`journal: ${journal.records} records, ${formatBytes(journal.bytes)}${torn}`);
    if (journal.cacheWasLost)
      lines.push('the host was restarted since: of files that were not synced the last synced state counts');
  }
  lines.push(`names: ${names.added} added or changed, ${names.hidden} of the backup hidden`);
  const bytes = objects.reduce((sum, object) => sum + object.bytesOnDisk, 0);
  const ofBackup = objects.filter(({ kind }) => kind === 'blocks');
  const blocks = ofBackup.reduce((sum, object) => sum + (object.blocks ?? 0), 0);
  lines.push(
    `objects: ${objects.length} (${formatBytes(bytes)}): ${ofBackup.length} files of the backup with ${blocks} changed blocks, ${objects.length - ofBackup.length} files of its own`,
  );
  const odd = objects.filter(({ state }) => state !== 'durable' && state !== 'complete');
  for (const { path, state, length } of odd.slice(0, MOST_LINES))
    lines.push(`  ${displayPath(path)}: ${state}, ${length} bytes`);
  if (odd.length > MOST_LINES) lines.push(`  and ${odd.length - MOST_LINES} more; --json tells all`);
  if (orphans.length > 0) {
    const lost = orphans.reduce((sum, orphan) => sum + orphan.bytesOnDisk, 0);
    lines.push(`orphans: ${orphans.length} objects that no name leads to (${formatBytes(lost)})`);
  }
  if (foreign.length > 0)
    lines.push(`not of pbkfs, and left alone: ${foreign.map((name) => JSON.stringify(name)).join(', ')}`);
  if (unsafe) lines.push('mounted with --perf-unsafe and not cleanly unmounted since: only "mount --force" takes it');
  for (const text of damage) lines.push(`damaged: ${text}`);
  for (const text of repaired) lines.push(`done: ${text}`);
  lines.push(verdict(result, pending));
  return `${lines.join('\n')}\n`;
}

function ending({ state, error }: { state: string; error?: string }): string {
  if (state === 'clean') return 'ended cleanly, or made good since';
  return state === 'failed' ? `failed: ${error ?? 'no reason recorded'}` : 'was killed, or the host was';
}

function verdict(result: FsckResult, pending: readonly string[]): string {
  if (result.damage.length > 0) return 'the diff is damaged: restore it from a copy, or start with a new one';
  return pending.length === 0
    ? 'the diff is sound'
    : `the diff is sound; the next mount, or --repair, will ${pending.join(', ')}`;
}
