// The table of `pbkfs show`: one block an instance, increments as a tree under the backup they are built on.

import type { ShownBackup, ShownInstance } from './show-data.js';
import { formatBytes, renderTable } from './text-table.js';

const HEADER = ['ID', 'MODE', 'WAL', 'STARTED (UTC)', 'STORED', 'PGDATA', 'STATUS', 'MOUNTABLE'];

/** Text with a newline at its end. */
export function renderInstances(instances: readonly ShownInstance[]): string {
  if (instances.length === 0) return 'the catalog has no instances\n';
  return instances.map(renderInstance).join('\n');
}

function renderInstance({ instance, systemIdentifier, backups }: ShownInstance): string {
  const title = `INSTANCE ${instance}  system identifier ${systemIdentifier ?? 'unknown'}\n`;
  if (backups.length === 0) return `${title}  no backups\n`;
  const table = renderTable([HEADER, ...treeOf(backups).map(({ indent, backup }) => rowOf(indent, backup))]);
  return `${title}${table.replace(/^(?=.)/gm, '  ')}`;
}

interface TreeRow {
  readonly indent: string;
  readonly backup: ShownBackup;
}

/** Newest chain first, each in the order it was made: a line's parent stands above it, one step to the left. */
function treeOf(backups: readonly ShownBackup[]): TreeRow[] {
  const rows: TreeRow[] = [];
  const placed = new Set<ShownBackup>();
  const oldestFirst = backups.toReversed();
  const place = (backup: ShownBackup, depth: number): void => {
    if (placed.has(backup)) return;
    placed.add(backup);
    rows.push({ indent: depth === 0 ? '' : `${'  '.repeat(depth - 1)}└ `, backup });
    for (const child of oldestFirst) if (child.parentId === backup.id) place(child, depth + 1);
  };
  const ids = new Set(backups.map((backup) => backup.id));
  for (const backup of backups) if (backup.parentId === null || !ids.has(backup.parentId)) place(backup, 0);
  // Whatever is left names itself or its own descendant as parent.
  for (const backup of backups) place(backup, 0);
  return rows;
}

function rowOf(indent: string, backup: ShownBackup): string[] {
  // The line names the backup already.
  const why = (backup.reason ?? '').replace(/^backup (\S+) cannot be \w+: /, (all, id) =>
    id === backup.id ? '' : all,
  );
  return [
    indent + backup.id,
    backup.mode ?? '?',
    backup.mode === null ? '?' : backup.stream ? 'STREAM' : 'ARCHIVE',
    backup.startTime?.replace('T', ' ').replace('Z', '') ?? '?',
    formatBytes(backup.dataBytes),
    formatBytes(backup.pgdataBytes),
    backup.status,
    backup.mountable ? 'yes' : `no: ${why}`,
  ];
}
