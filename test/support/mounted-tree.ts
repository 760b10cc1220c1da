// A mounted directory as a tree to compare with the truth: everything through the kernel.

import { join } from 'node:path';
import { listTree, sha256OfFile } from './tree.js';
import type { SeenEntry, TreeProvider } from './truth.js';

const TYPES = { file: 'f', directory: 'd', link: 'l' } as const;

/** Lists PGDATA and, below `pg_tblspc/<oid>`, what the link of a tablespace leads to. */
export function mountedTree(mountpoint: string): TreeProvider {
  return {
    *list(): Generator<SeenEntry> {
      yield* entriesOf(mountpoint, '');
      for (const [oid, { type }] of listTree(join(mountpoint, 'pg_tblspc'))) {
        if (type === 'link') yield* entriesOf(join(mountpoint, 'pg_tblspc', oid), `pg_tblspc/${oid}/`);
      }
    },
    sha256: (path) => sha256OfFile(mountpoint, path),
  };
}

function* entriesOf(root: string, prefix: string): Generator<SeenEntry> {
  for (const [path, { type, mode, size }] of listTree(root)) {
    if (type === 'other') throw new Error(`${prefix}${path} is neither file, directory nor link`);
    yield { path: prefix + path, type: TYPES[type], mode, size };
  }
}
