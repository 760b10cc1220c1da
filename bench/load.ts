// One load on some files, run in a process of its own: `node load.js JSON`. Prints operations per second.

import { closeSync, constants, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

export type Load =
  /** 8 KiB blocks at random places of random files. */
  | { readonly kind: 'random-read'; readonly files: readonly LoadFile[]; readonly direct: boolean }
  /** All files from front to back in pieces of 128 KiB, over and over. */
  | { readonly kind: 'sequential-read'; readonly files: readonly LoadFile[]; readonly direct: boolean }
  /** 8 KiB written and made durable, one after the other, round and round in a file that has its length already. */
  | { readonly kind: 'wal-append'; readonly file: LoadFile };

export interface LoadFile {
  readonly path: string;
  /** Bytes; at least one block. */
  readonly size: number;
}

const BLOCK = 8192;
const PIECE = 128 * 1024;
/** The clock is looked at after this many operations. */
const BATCH = 16;

/** Runs a load for some seconds; operations per second. */
function runLoad(load: Load, seconds: number): number {
  const fds: number[] = [];
  const open = (path: string, flags: number): number => {
    fds.push(openSync(path, flags));
    return fds[fds.length - 1];
  };
  const step = load.kind === 'wal-append' ? walAppend(load.file, open) : reader(load, open);
  const start = performance.now();
  let operations = 0;
  let elapsed = 0;
  do {
    for (let i = 0; i < BATCH; i++) step();
    operations += BATCH;
    elapsed = performance.now() - start;
  } while (elapsed < seconds * 1000);
  for (const fd of fds) closeSync(fd);
  return operations / (elapsed / 1000);
}

function reader(
  load: Exclude<Load, { kind: 'wal-append' }>,
  open: (path: string, flags: number) => number,
): () => void {
  const flags = constants.O_RDONLY | (load.direct ? constants.O_DIRECT : 0);
  const unit = load.kind === 'random-read' ? BLOCK : PIECE;
  const places: [fd: number, position: number][] = [];
  for (const { path, size } of load.files) {
    const fd = open(path, flags);
    for (let position = 0; position + BLOCK <= size; position += unit) places.push([fd, position]);
  }
  const buffer = Buffer.alloc(unit);
  let next = 0;
  return () => {
    const [fd, position] = places[load.kind === 'random-read' ? Math.floor(Math.random() * places.length) : next];
    next = (next + 1) % places.length;
    if (readSync(fd, buffer, 0, unit, position) === 0) throw new Error('nothing read');
  };
}

function walAppend(file: LoadFile, open: (path: string, flags: number) => number): () => void {
  const fd = open(file.path, constants.O_WRONLY);
  const buffer = Buffer.alloc(BLOCK, 'wal ');
  let position = 0;
  return () => {
    writeSync(fd, buffer, 0, BLOCK, position);
    fdatasyncSync(fd);
    position = (position + BLOCK) % file.size;
  };
}

const [, , text, seconds] = process.argv;
console.log(runLoad(JSON.parse(text) as Load, Number(seconds)));
