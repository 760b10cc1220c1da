// Random system calls, made alike on a mount and on a plain ext4 directory with the same content; the answers must agree.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';

/** One step. Paths are latin1 and relative; numbers are bytes. Plain data, so that a failure can be printed and replayed. */
export type Step =
  | { op: 'open'; handle: number; path: string; flags: number; mode: number }
  | { op: 'close' | 'fsync' | 'fdatasync' | 'fstat'; handle: number }
  | { op: 'pread'; handle: number; position: number; length: number }
  | { op: 'pwrite'; handle: number; position: number; length: number; fill: number }
  | { op: 'append'; handle: number; length: number; fill: number }
  | { op: 'ftruncate'; handle: number; length: number }
  | { op: 'truncate'; path: string; length: number }
  | { op: 'fallocate'; path: string; how: FallocateHow; position: number; length: number }
  | { op: 'unlink' | 'rmdir' | 'readdir' | 'lstat' | 'readlink' | 'readFile' | 'fsyncdir'; path: string }
  | { op: 'mkdir' | 'chmod'; path: string; mode: number }
  | { op: 'chown'; path: string; uid: number; gid: number }
  | { op: 'utimes'; path: string; atime: number; mtime: number }
  | { op: 'symlink'; path: string; target: string }
  | { op: 'rename' | 'link' | 'copy'; path: string; to: string }
  | { op: 'dropCaches' | 'remount' | 'compare' };

/** fallocate(1) options: mode 0, beyond the end without growing, hole, zeros, zeros without growing. */
export type FallocateHow = 'extend' | 'keep' | 'punch' | 'zero' | 'zeroKeep';
const fallocateArguments: Record<FallocateHow, string[]> = {
  extend: [],
  keep: ['-n'],
  punch: ['-p'],
  zero: ['-z'],
  zeroKeep: ['-z', '-n'],
};

const HANDLES = 6;
const BLOCK = 8192;
const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NOFOLLOW } = fs.constants;
const openFlags = [
  O_RDONLY,
  O_RDWR,
  O_RDWR,
  O_RDWR | O_CREAT,
  O_RDWR | O_CREAT,
  O_RDWR | O_CREAT,
  O_RDWR | O_CREAT | O_EXCL,
  O_RDWR | O_TRUNC,
  O_RDWR | O_CREAT | O_TRUNC,
  O_RDWR | O_CREAT | O_APPEND,
  O_WRONLY | O_APPEND,
  O_RDWR | O_NOFOLLOW,
];

/** A generator of numbers below 1 that a seed determines (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface World {
  /** directories that exist at the start, relative, latin1 */
  readonly directories: readonly string[];
  /** files that exist at the start */
  readonly files: readonly string[];
}

/** `count` steps over the files of `world` and over names that do not exist yet. */
export function randomSteps(seed: number, count: number, world: World): Step[] {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const made = [...world.directories.map((d) => `${d}/d1`), `${world.directories[0]}/d1/d2`];
  const directories = [...world.directories, ...made];
  // Names at the limit of 255 bytes and outside of UTF-8 take part like any other.
  const names = ['n1', 'n2', 'n3', 'n\xff\xfe\x80', 'x'.repeat(255), 'x'.repeat(256)];
  const file = (): string => (random() < 0.55 ? pick(world.files) : `${pick(directories)}/${pick(names)}`);
  // The directories that everything starts in are moved and removed, too, but seldom: little is left to do then.
  const any = (): string => (random() < 0.25 ? pick(random() < 0.05 ? world.directories : made) : file());
  const handle = (): number => below(HANDLES);
  const position = (): number => (random() < 0.4 ? below(24) * BLOCK : below(24 * BLOCK));
  const length = (): number => pick([1, 100, 4096, BLOCK, BLOCK, 3 * BLOCK, 5000 + below(20000), 1 + below(70000)]);
  const mode = (): number => pick([0o600, 0o644, 0o755, 0o700, 0o4755, 0o2711, 0o1777, 0]);
  const time = (): number => below(2 ** 31) + below(1000) / 1000;
  const makers: [weight: number, make: () => Step][] = [
    [14, () => ({ op: 'open', handle: handle(), path: any(), flags: pick(openFlags), mode: mode() })],
    [4, () => ({ op: 'close', handle: handle() })],
    [2, () => ({ op: pick(['fsync', 'fdatasync'] as const), handle: handle() })],
    [4, () => ({ op: 'fstat', handle: handle() })],
    [12, () => ({ op: 'pread', handle: handle(), position: position(), length: length() })],
    [20, () => ({ op: 'pwrite', handle: handle(), position: position(), length: length(), fill: below(256) })],
    [4, () => ({ op: 'append', handle: handle(), length: length(), fill: below(256) })],
    [5, () => ({ op: 'ftruncate', handle: handle(), length: position() })],
    [5, () => ({ op: 'truncate', path: any(), length: position() })],
    [
      2,
      () => ({
        op: 'fallocate',
        path: file(),
        how: pick(Object.keys(fallocateArguments) as FallocateHow[]),
        position: position(),
        length: length(),
      }),
    ],
    [6, () => ({ op: 'unlink', path: any() })],
    [3, () => ({ op: 'rmdir', path: any() })],
    [4, () => ({ op: 'readdir', path: any() })],
    [4, () => ({ op: 'lstat', path: any() })],
    [2, () => ({ op: 'readlink', path: file() })],
    [4, () => ({ op: 'readFile', path: file() })],
    [1, () => ({ op: 'fsyncdir', path: pick(directories) })],
    [4, () => ({ op: 'mkdir', path: any(), mode: mode() })],
    [3, () => ({ op: 'chmod', path: any(), mode: mode() })],
    [2, () => ({ op: 'chown', path: any(), uid: below(3), gid: below(3) })],
    [2, () => ({ op: 'utimes', path: any(), atime: time(), mtime: time() })],
    [2, () => ({ op: 'symlink', path: file(), target: pick(['n1', '../n2', 'nowhere', '.']) })],
    [8, () => ({ op: 'rename', path: any(), to: any() })],
    [4, () => ({ op: 'link', path: any(), to: file() })],
    [1, () => ({ op: 'copy', path: file(), to: file() })],
    [1, () => ({ op: 'dropCaches' })],
  ];
  const total = makers.reduce((sum, [weight]) => sum + weight, 0);
  const steps: Step[] = [];
  for (let i = 1; i <= count; i++) {
    let at = random() * total;
    const [, make] = makers.find(([weight]) => {
      at -= weight;
      return at < 0;
    })!;
    steps.push(make());
    if (i % 100 === 0) steps.push({ op: 'compare' });
    if (i % 400 === 0) steps.push({ op: 'remount' });
  }
  steps.push({ op: 'remount' }, { op: 'compare' });
  return steps;
}

/** One of the two directories that the steps are made on. */
export class Side {
  readonly #root: Buffer;
  readonly #handles = new Map<number, number>();

  constructor(root: string) {
    this.#root = Buffer.from(`${root}/`);
  }

  /** Makes a step; what the caller saw, as text: a value, or the name of the error. */
  take(step: Step): string {
    try {
      return this.#take(step);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      return code;
    }
  }

  closeAll(): void {
    for (const fd of this.#handles.values()) fs.closeSync(fd);
    this.#handles.clear();
  }

  /** A line for everything below the root that ought to be the same on both sides. */
  tree(directory: string, lines: string[] = []): string[] {
    if (!fs.lstatSync(this.#path(directory), { throwIfNoEntry: false })?.isDirectory()) return lines;
    const names = fs.readdirSync(this.#path(directory), 'latin1').sort();
    for (const name of names) {
      const path = `${directory}/${name}`;
      lines.push(`${path} ${this.#describe(path)}`);
      if (fs.lstatSync(this.#path(path)).isDirectory()) this.tree(path, lines);
    }
    return lines;
  }

  #take(step: Step): string {
    switch (step.op) {
      case 'open': {
        const fd = fs.openSync(this.#path(step.path), step.flags, step.mode);
        this.#close(step.handle);
        this.#handles.set(step.handle, fd);
        return 'opened';
      }
      case 'close':
        return this.#close(step.handle) ? 'closed' : 'not open';
      case 'fstat':
        return this.#with(step.handle, (fd) => describeStat(fs.fstatSync(fd)));
      case 'fsync':
      case 'fdatasync':
        return this.#with(step.handle, (fd) => String(step.op === 'fsync' ? fs.fsyncSync(fd) : fs.fdatasyncSync(fd)));
      case 'pread':
        return this.#with(step.handle, (fd) => {
          const buffer = Buffer.alloc(step.length);
          const count = fs.readSync(fd, buffer, 0, step.length, step.position);
          return `${count} ${hash(buffer.subarray(0, count))}`;
        });
      case 'pwrite':
        return this.#with(step.handle, (fd) =>
          String(fs.writeSync(fd, pattern(step.length, step.fill), 0, step.length, step.position)),
        );
      case 'append':
        return this.#with(step.handle, (fd) => {
          const end = fs.fstatSync(fd).size;
          return String(fs.writeSync(fd, pattern(step.length, step.fill), 0, step.length, end));
        });
      case 'ftruncate':
        return this.#with(step.handle, (fd) => {
          fs.ftruncateSync(fd, step.length);
          return String(fs.fstatSync(fd).size);
        });
      case 'truncate':
        fs.truncateSync(this.#path(step.path), step.length);
        return this.#describe(step.path);
      case 'fallocate':
        return this.#fallocate(step.path, step.how, step.position, step.length);
      case 'unlink':
        fs.unlinkSync(this.#path(step.path));
        return 'done';
      case 'rmdir':
        fs.rmdirSync(this.#path(step.path));
        return 'done';
      case 'readdir':
        return fs.readdirSync(this.#path(step.path), 'latin1').sort().join();
      case 'lstat':
        return this.#describe(step.path);
      case 'readlink':
        return fs.readlinkSync(this.#path(step.path), 'latin1');
      case 'readFile':
        return hash(fs.readFileSync(this.#path(step.path)));
      case 'fsyncdir': {
        const fd = fs.openSync(this.#path(step.path), O_RDONLY);
        try {
          fs.fsyncSync(fd);
        } finally {
          fs.closeSync(fd);
        }
        return 'done';
      }
      case 'mkdir':
        fs.mkdirSync(this.#path(step.path), step.mode);
        return this.#describe(step.path);
      case 'chmod':
        fs.chmodSync(this.#path(step.path), step.mode);
        return this.#describe(step.path);
      case 'chown':
        fs.lchownSync(this.#path(step.path), step.uid, step.gid);
        return this.#describe(step.path);
      case 'utimes': {
        fs.utimesSync(this.#path(step.path), step.atime, step.mtime);
        const { mtimeMs } = fs.statSync(this.#path(step.path));
        return `${this.#describe(step.path)} ${mtimeMs}`;
      }
      case 'symlink':
        fs.symlinkSync(step.target, this.#path(step.path));
        return this.#describe(step.path);
      case 'rename':
        fs.renameSync(this.#path(step.path), this.#path(step.to));
        return this.#describe(step.to);
      case 'link':
        fs.linkSync(this.#path(step.path), this.#path(step.to));
        return this.#describe(step.path);
      case 'copy':
        // What copying a directory makes of it depends on st_size, which says nothing about directories.
        if (!fs.statSync(this.#path(step.path)).isFile()) return 'not a file';
        fs.copyFileSync(this.#path(step.path), this.#path(step.to));
        return this.#describe(step.to);
      default:
        return '';
    }
  }

  #path(path: string): Buffer {
    return Buffer.concat([this.#root, Buffer.from(path, 'latin1')]);
  }

  #with(handle: number, run: (fd: number) => string): string {
    const fd = this.#handles.get(handle);
    return fd === undefined ? 'not open' : run(fd);
  }

  #close(handle: number): boolean {
    const fd = this.#handles.get(handle);
    if (fd === undefined) return false;
    this.#handles.delete(handle);
    fs.closeSync(fd);
    return true;
  }

  /** By the program, on an open file: Node has no such call. */
  #fallocate(path: string, how: FallocateHow, position: number, length: number): string {
    const fd = fs.openSync(this.#path(path), O_RDWR);
    try {
      const options = [...fallocateArguments[how], '-o', String(position), '-l', String(length), '/dev/fd/3'];
      const { status } = spawnSync('fallocate', options, { stdio: ['ignore', 'ignore', 'ignore', fd] });
      return `${status} ${this.#describe(path)}`;
    } finally {
      fs.closeSync(fd);
    }
  }

  #describe(path: string): string {
    const stat = fs.lstatSync(this.#path(path));
    const line = describeStat(stat);
    if (stat.isSymbolicLink()) return `${line} -> ${fs.readlinkSync(this.#path(path), 'latin1')}`;
    return stat.isFile() ? `${line} ${hash(fs.readFileSync(this.#path(path)))}` : line;
  }
}

/** Removes runs of steps, long ones first, as long as what is left still fails; asks at most `attempts` times. */
export async function shrink(
  steps: readonly Step[],
  fails: (steps: readonly Step[]) => Promise<boolean>,
  attempts: number,
): Promise<readonly Step[]> {
  let left = steps;
  for (let run = Math.ceil(left.length / 2); run >= 1; run = run === 1 ? 0 : Math.ceil(run / 2)) {
    for (let at = 0; at < left.length; ) {
      if (attempts-- <= 0) return left;
      const shorter = [...left.slice(0, at), ...left.slice(at + run)];
      if (await fails(shorter)) left = shorter;
      else at += run;
    }
  }
  return left;
}

function describeStat(stat: fs.Stats): string {
  const size = stat.isDirectory() ? '-' : stat.size;
  return `${stat.mode.toString(8)} ${stat.nlink} ${stat.uid}:${stat.gid} ${size}`;
}

function hash(data: Uint8Array): string {
  return createHash('md5').update(data).digest('base64');
}

/** Bytes that tell where they belong. */
function pattern(length: number, fill: number): Buffer {
  const data = Buffer.alloc(length);
  for (let i = 0; i < length; i++) data[i] = fill + (i >> 5);
  return data;
}
