// A made-up chain of a FULL and two increments that has a bit of everything, small enough for thousands of runs.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type FileSpec, startTime, writeCatalog } from './catalog-writer.js';
import { makePage } from './pages.js';
import { swept } from './swept.js';

const raw = (length: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => ((i * 31 + seed * 17) % 251) + 1));

/** Pages `from..to` of a relation, their content depending on `seed`. */
function pages(seed: number, ...blocks: number[]): [number, Buffer][] {
  return blocks.map((block) => [block, makePage(seed * 100 + block, block, { filled: true })]);
}

const directories: FileSpec[] = ['base', 'base/1', 'base/2', 'base/5', 'global', 'pg_tblspc', 'pg_wal'].map((name) => ({
  path: name,
  dir: true,
}));

/** Files of the target, with their content; what restore would write. */
export const smallFiles: ReadonlyMap<string, Buffer> = new Map([
  ['PG_VERSION', Buffer.from('15\n')],
  ['base/1/100', blocksOf([0, 1], [1, 2], [2, 3], [3, 1], [4, 3])],
  ['base/1/101', blocksOf([0, 2], [1, 2], [2, 2])],
  ['base/1/empty', Buffer.alloc(0)],
  ['base/1/raw', raw(20_000, 4)],
  ['base/1/small', raw(100, 5)],
  ['base/2/200', blocksOf([0, 1], [1, 1])],
  ['global/pg_control', raw(8192, 6)],
  ['pg_wal/000000010000000000000001', raw(40_000, 7)],
  ['pg_tblspc/16385/PG_15_202209061/5/300', blocksOf([0, 1])],
]);

function blocksOf(...parts: [block: number, seed: number][]): Buffer {
  return Buffer.concat(parts.map(([block, seed]) => pages(seed, block)[0]![1]));
}

/** Writes the catalog into `root`; instance main. */
export function writeSmallCatalog(root: string): string {
  const content = (name: string): FileSpec => ({ path: name, content: smallFiles.get(name)! });
  const raws = [...smallFiles.keys()].filter((name) => !/[0-9]\/[0-9]+$/.test(name)).map(content);
  const tablespace: FileSpec[] = [
    { path: 'tablespace_map', content: '16385 /production/space\n' },
    { path: 'pg_tblspc/16385', dir: true },
    { path: 'pg_tblspc/16385/PG_15_202209061', dir: true },
    { path: 'pg_tblspc/16385/PG_15_202209061/5', dir: true },
  ];
  const space = 'pg_tblspc/16385/PG_15_202209061/5/300';
  const unchanged = (name: string, nBlocks: number): FileSpec => ({ path: name, unchanged: 'datafile', nBlocks });
  return writeCatalog(root, [
    {
      start: startTime(1),
      mode: 'FULL',
      files: [
        ...directories,
        ...tablespace,
        ...raws,
        { path: 'base/1/100', pages: pages(1, 0, 1, 2, 3, 4, 5, 6) },
        { path: 'base/1/gone', content: 'dropped before the target' },
        { path: 'base/2/200', pages: pages(1, 0, 1), alg: 'none' },
        { path: space, pages: pages(1, 0), alg: 'pglz' },
      ],
    },
    {
      start: startTime(2),
      mode: 'DELTA',
      parent: startTime(1),
      files: [
        ...directories,
        ...tablespace,
        ...raws,
        { path: 'base/1/100', pages: pages(2, 1, 2), nBlocks: 4 },
        { path: 'base/1/101', pages: pages(2, 0, 1, 2), alg: 'zstd' },
        unchanged('base/2/200', 2),
        unchanged(space, 1),
      ],
    },
    {
      start: startTime(3),
      mode: 'PAGE',
      parent: startTime(2),
      files: [
        ...directories,
        ...tablespace,
        ...raws,
        { path: 'base/1/100', pages: pages(3, 2, 4), alg: 'lz4', nBlocks: 5 },
        unchanged('base/1/101', 3),
        unchanged('base/2/200', 2),
        unchanged(space, 1),
      ],
    },
  ]);
}

/** A directory for diffs in memory where there is one (an fsync costs nothing there), removed at the end of the process. */
export function scratchDirectory(): string {
  for (const parent of ['/dev/shm', tmpdir()]) {
    try {
      const directory = swept(mkdtempSync(path.join(parent, 'pbkfs-test-')));
      process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
      return directory;
    } catch {
      // The next one.
    }
  }
  throw new Error('no directory for temporary files');
}
