// `npm run bench`: reads and durable appends on a mounted backup against the same on the ordinary file system.

import { chmodSync, closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { cpus, release, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { mountCatalog, mountMissing } from '../test/support/mount.js';
import { listTree } from '../test/support/tree.js';
import type { LoadFile } from './load.js';
import { type Contest, compete, type Outcome } from './rounds.js';
import { benchTarget } from './target.js';

const ROUNDS = 5;
const SECONDS = 1;
const DIFF_FILE_BYTES = 64 * 1024 * 1024;
const WAL_SEGMENT_BYTES = 16 * 1024 * 1024;

/** The datafiles of the mounted backup that are large enough to be worth reading, and their copies elsewhere. */
async function copies(mountpoint: string, elsewhere: string): Promise<{ mount: LoadFile[]; native: LoadFile[] }> {
  const mount: LoadFile[] = [];
  const native: LoadFile[] = [];
  for (const [path, { type, size }] of listTree(mountpoint)) {
    if (type !== 'file' || size < 128 * 1024 || !/^base\/\d+\/\d+$/.test(path)) continue;
    await mkdir(dirname(join(elsewhere, path)), { recursive: true });
    await copyFile(join(mountpoint, path), join(elsewhere, path));
    mount.push({ path: join(mountpoint, path), size });
    native.push({ path: join(elsewhere, path), size });
  }
  return { mount, native };
}

function writeFile(path: string, size: number): LoadFile {
  const piece = Buffer.alloc(1024 * 1024, 'pbkfs bench ');
  const fd = openSync(path, 'w');
  for (let written = 0; written < size; written += piece.length) writeSync(fd, piece);
  fsyncSync(fd);
  closeSync(fd);
  return { path, size };
}

function contests(
  backup: { mount: LoadFile[]; native: LoadFile[] },
  diff: { mount: LoadFile[]; native: LoadFile[] },
  wal: { mount: LoadFile; native: LoadFile },
): Contest[] {
  const read = (
    name: string,
    kind: 'random-read' | 'sequential-read',
    files: typeof backup,
    direct: boolean,
  ): Contest => ({
    name: `${name}, ${direct ? 'every read served by pbkfs' : 'kernel cache'}`,
    mount: { kind, files: files.mount, direct },
    native: { kind, files: files.native, direct: false },
  });
  return [
    read('8 KiB random read, backup', 'random-read', backup, true),
    read('8 KiB random read, backup', 'random-read', backup, false),
    read('8 KiB random read, diff', 'random-read', diff, true),
    read('128 KiB sequential read, backup', 'sequential-read', backup, true),
    read('128 KiB sequential read, backup', 'sequential-read', backup, false),
    read('128 KiB sequential read, diff', 'sequential-read', diff, true),
    {
      name: '8 KiB append + fdatasync',
      mount: { kind: 'wal-append', file: wal.mount },
      native: { kind: 'wal-append', file: wal.native },
    },
  ];
}

function print(outcomes: readonly Outcome[]): void {
  const width = Math.max(...outcomes.map(({ name }) => name.length));
  console.log(`${''.padEnd(width)}  mount op/s  native op/s  ratio`);
  for (const { name, mount, native } of outcomes) {
    const cells = [
      mount.toFixed(0).padStart(10),
      native.toFixed(0).padStart(11),
      (mount / native).toFixed(2).padStart(5),
    ];
    console.log(`${name.padEnd(width)}  ${cells.join('  ')}`);
  }
}

/** Undone newest first. */
const undo: (() => unknown)[] = [];
const teardown = { teardown: (handler: () => unknown) => undo.push(handler) };
if (mountMissing !== false) {
  console.error(`bench: ${mountMissing}`);
  process.exitCode = 1;
} else {
  try {
    const base = mkdtempSync(join(tmpdir(), 'pbkfs-bench-'));
    undo.push(() => rmSync(base, { recursive: true, force: true }));
    chmodSync(base, 0o711);
    const mounted = await mountCatalog(teardown, await benchTarget(teardown));
    const native = join(base, 'native');
    mkdirSync(native);
    const backup = await copies(mounted.mountpoint, native);
    const diff = {
      mount: [writeFile(join(mounted.mountpoint, 'bench'), DIFF_FILE_BYTES)],
      native: [writeFile(join(native, 'bench'), DIFF_FILE_BYTES)],
    };
    const wal = {
      mount: writeFile(join(mounted.mountpoint, 'pg_wal', 'bench'), WAL_SEGMENT_BYTES),
      native: writeFile(join(native, 'wal'), WAL_SEGMENT_BYTES),
    };
    console.log(
      `Linux ${release()}, Node ${process.version}, ${cpus().length} CPUs; one job, ${ROUNDS} interleaved rounds of ${SECONDS} s, medians.\n` +
        'Native is the ordinary file system with everything in its cache.\n',
    );
    print(contests(backup, diff, wal).map((contest) => compete(contest, ROUNDS, SECONDS)));
  } finally {
    for (const step of undo.reverse()) await step();
  }
}
