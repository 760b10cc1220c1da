// What the copies of pg_control in a chain say of its cluster: that it is one, and how large its segment files are.

import { PbkfsError } from '../errors.js';
import { RELSEG_BLOCKS } from './constants.js';
import type { PathTable } from './lists/path-table.js';
import type { Layer } from './member.js';
import { PG_CONTROL_PATH, parsePgControl } from './pg-control.js';
import { readWholeRaw } from './raw-reader.js';
import { resolveRaw } from './resolve-raw.js';

/**
 * Every backup stores pg_control; intact copies must name the same system.
 * @returns blocks of a segment file: what the newest copy says, or PostgreSQL's usual number
 * @throws PbkfsError backup_damaged when members are of different clusters
 */
export function oneCluster(layers: readonly Layer[], paths: PathTable): { segmentBlocks: number } {
  const file = paths.number(PG_CONTROL_PATH);
  let first: { id: string; system: bigint } | undefined;
  let segmentBlocks = RELSEG_BLOCKS;
  for (const { layer, backup, list } of layers) {
    const entry = list.entry(file);
    if (entry === undefined || entry.isDirectory || entry.isDatafile || entry.size <= 0) continue;
    const image = controlFileIn(layers.slice(0, layer + 1), file);
    const control = image && parsePgControl(image);
    if (control === undefined) continue;
    segmentBlocks = control.segmentBlocks ?? segmentBlocks;
    first ??= { id: backup.id, system: control.systemIdentifier };
    if (control.systemIdentifier !== first.system) {
      throw new PbkfsError(
        'backup_damaged',
        `backups ${first.id} and ${backup.id} of one chain are of different clusters`,
        {
          hint: 'the catalog was tampered with: choose another backup',
        },
      );
    }
  }
  return { segmentBlocks };
}

function controlFileIn(layers: readonly Layer[], file: number): Buffer | undefined {
  try {
    return readWholeRaw(resolveRaw(layers, PG_CONTROL_PATH, file));
  } catch (error) {
    // A damaged copy shows itself when somebody reads it; here it just tells nothing.
    if (error instanceof PbkfsError) return undefined;
    throw error;
  }
}
