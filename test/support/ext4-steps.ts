// Random system calls, as plain data, so that a failure can be printed and replayed.

import fs from 'node:fs';
import { seededRandom } from './seeded-random.js';

/** One step. Paths are latin1 and relative; numbers are bytes. */
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
/** Every kind of it. */
const fallocateHows = ['extend', 'keep', 'punch', 'zero', 'zeroKeep'] as const;

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
        how: pick(fallocateHows),
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
