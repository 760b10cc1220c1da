// The overlay without a kernel as a tree to compare with the truth.

import crypto from 'node:crypto';
import { S_IFDIR, S_IFLNK, S_IFMT } from '../../src/overlay/namespace/inode.js';
import type { DirectOverlay } from './direct-overlay.js';
import type { SeenEntry, TreeProvider } from './truth.js';

/** Lists PGDATA and, below `pg_tblspc/<oid>`, what the link of a tablespace leads to. */
export function directTree(direct: DirectOverlay): TreeProvider {
  return {
    *list(): Generator<SeenEntry> {
      yield* entriesOf(direct, '');
      for (const oid of direct.readdir('pg_tblspc').keys()) yield* entriesOf(direct, `pg_tblspc/${oid}`);
    },
    sha256: (path) => crypto.createHash('sha256').update(direct.readAll(path)).digest('hex'),
  };
}

function* entriesOf(direct: DirectOverlay, directory: string): Generator<SeenEntry> {
  for (const name of direct.readdir(directory).keys()) {
    const path = directory === '' ? name : `${directory}/${name}`;
    const { mode, size } = direct.stat(path);
    const kind = mode & S_IFMT;
    const type = kind === S_IFDIR ? 'd' : kind === S_IFLNK ? 'l' : 'f';
    yield { path, type, mode: mode & 0o7777, size };
    if (type === 'd') yield* entriesOf(direct, path);
  }
}
