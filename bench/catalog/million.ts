// Lists of a great many files: what a mount reads. Of the files themselves only names and lengths are there.

import type { MountTarget } from '../../test/support/mount.js';
import { addSkeleton, instanceDirectory, openBackup } from './chain.js';

const FILES_A_DIRECTORY = 10_000;
/** One file in so many changed between two backups. */
const CHANGED = 20;

export interface ListsSpec {
  readonly catalog: string;
  readonly instance: string;
  readonly files: number;
  readonly backups: number;
}

/** Directory of database n of those that hold the files. */
export function databaseOf(file: number): number {
  return 16384 + Math.floor(file / FILES_A_DIRECTORY);
}

/** Writes a chain whose list has so many datafiles of one block in databases of 10 000 files. */
export function writeLists({ catalog, instance, files, backups }: ListsSpec): MountTarget {
  const directory = instanceDirectory(catalog, instance);
  for (let layer = 0; layer < backups; layer++) {
    const backup = openBackup(directory, layer);
    addSkeleton(backup);
    let lines: string[] = [];
    for (let file = 0; file < files; file++) {
      const database = databaseOf(file);
      if (file % FILES_A_DIRECTORY === 0) backup.addDirectory(`base/${database}`);
      const path = `base/${database}/${20000 + (file % FILES_A_DIRECTORY)}`;
      const stored = layer === 0 || file % CHANGED === layer;
      const head = `{"path":"${path}", "size":"${stored ? 1234 : -1}", "mode":"33152", "is_datafile":"1", "is_cfs":"0", `;
      const tail = `"crc":"${stored ? 3735928559 : 0}", "compress_alg":"${stored ? 'zlib' : 'none'}", "external_dir_num":"0", "dbOid":"${database}","segno":"0","n_blocks":"1"`;
      // Places in a header map that nobody reads.
      const header = stored ? `,"n_headers":"1","hdr_crc":"3735928559","hdr_off":"${file * 50}","hdr_size":"50"` : '';
      lines.push(`${head}${tail}${header}}\n`);
      if (lines.length === FILES_A_DIRECTORY) {
        backup.addLines(lines.join(''));
        lines = [];
      }
    }
    backup.addLines(lines.join(''));
    backup.finish();
  }
  return { catalog, instance, backup: 'latest' };
}
