// The table of libfuse's operations: what fuse-native passes for each, and what it takes back.

import { operation } from '../../metrics/counters.js';
import type { Attributes } from '../../overlay/shared/attributes.js';
import type { NativeDispatch } from './native-dispatch.js';
import { STAT_WORDS, STATFS_WORDS, writeStat } from './native-records.js';

/** A result of at least 0 (a negative errno after a failure), and what fuse-native takes with it. */
export type Answer = readonly [result: number, ...payload: unknown[]];

export interface Operation {
  /** What to count a call as. */
  readonly number?: number;
  /** Answers, or throws. Arguments are strings, 32-bit numbers and buffers, as the operation has them. */
  run(locals: Buffer, ...args: never[]): Answer;
  /** What fuse-native takes after a failure. */
  nothing(...args: never[]): readonly unknown[];
}

const LIMIT = 2 ** 32;
const NOTHING = (): readonly unknown[] => [];

/** Offsets and lengths come in two halves. */
function whole(low: number, high: number): number {
  return low + high * LIMIT;
}

/** An operation whose result is all there is. */
function plain<A extends never[]>(index: number, run: (locals: Buffer, ...args: A) => number): Operation {
  return { number: index, run: (locals, ...args) => [run(locals, ...(args as unknown as A))], nothing: NOTHING };
}

/** An operation whose answer is something else. */
function giving<A extends never[]>(index: number, none: unknown[], run: (...args: A) => Answer): Operation {
  return { number: index, run: (_, ...args) => run(...(args as unknown as A)), nothing: () => none };
}

/** An operation with a buffer that fuse-native takes back. */
function data(
  index: number,
  run: (handle: number, buffer: Buffer, length: number, position: number) => number,
): Operation {
  return {
    number: index,
    run: (_, _path: string, handle: number, buffer: Buffer, length: number, low: number, high: number) => [
      run(handle, buffer, length, whole(low, high)),
      0,
      buffer.buffer,
    ],
    nothing: (_path: string, _handle: number, buffer: Buffer) => [0, buffer.buffer],
  };
}

/**
 * The operations by the names fuse-native has for them.
 * @param initialized called when the kernel has said hello
 */
export function operations(dispatch: NativeDispatch, initialized: () => void): Record<string, Operation> {
  const words = new Uint32Array(STAT_WORDS);
  const stat = (attributes: Readonly<Attributes>): Answer => {
    writeStat(words, attributes);
    return [0, words];
  };
  const init = (): Answer => {
    initialized();
    return [0];
  };
  type Ids = [path: string, a: number, b: number];
  const c = operation;
  return {
    init: { run: init, nothing: NOTHING },
    getattr: giving(c.getattr, [words], (path: string) => stat(dispatch.getattr(path))),
    fgetattr: giving(c.getattr, [words], (_: string, handle: number) => stat(dispatch.fgetattr(handle))),
    readdir: giving(c.readdir, [[], []], (path: string) => {
      const { names, stats } = dispatch.readdir(path);
      return [0, names, stats];
    }),
    readlink: giving(c.readlink, [''], (path: string) => [0, dispatch.readlink(path)]),
    statfs: giving(c.statfs, [new Uint32Array(STATFS_WORDS)], () => [0, dispatch.statfs()]),
    open: giving(c.open, [0], (path: string, flags: number) => [0, dispatch.data.open(path, flags)]),
    create: giving(c.create, [0], (path: string, mode: number) => [0, dispatch.create(path, mode)]),
    read: data(c.read, (handle, buffer, length, position) => dispatch.data.read(handle, buffer, length, position)),
    write: data(c.write, (handle, buffer, length, position) => dispatch.data.write(handle, buffer, length, position)),
    release: plain(c.release, (_, _path: string, handle: number) => dispatch.data.release(handle)),
    truncate: plain(c.setattr, (_, ...[path, low, high]: Ids) => dispatch.data.truncate(path, whole(low, high))),
    ftruncate: plain(c.setattr, (_, _path: string, ...[handle, low, high]: [number, number, number]) =>
      dispatch.data.ftruncate(handle, whole(low, high)),
    ),
    fsync: plain(c.fsync, (_, ...[, , handle]: Ids) => dispatch.data.fsync(handle)),
    fsyncdir: plain(c.fsyncdir, (_, path: string) => dispatch.data.fsyncdir(path)),
    mknod: plain(c.mknod, (_, ...[path, mode, rdev]: Ids) => dispatch.mknod(path, mode, rdev)),
    mkdir: plain(c.mkdir, (_, path: string, mode: number) => dispatch.mkdir(path, mode)),
    symlink: plain(c.symlink, (_, target: string, path: string) => dispatch.symlink(target, path)),
    link: plain(c.link, (_, existing: string, path: string) => dispatch.link(existing, path)),
    unlink: plain(c.unlink, (_, path: string) => dispatch.unlink(path)),
    rmdir: plain(c.rmdir, (_, path: string) => dispatch.rmdir(path)),
    rename: plain(c.rename, (locals, from: string, to: string) => dispatch.rename(locals, from, to)),
    chmod: plain(c.setattr, (_, path: string, mode: number) => dispatch.chmod(path, mode)),
    chown: plain(c.setattr, (_, ...[path, uid, gid]: Ids) => dispatch.chown(path, uid, gid)),
    // mtime is not what it says: see native-records.ts.
    utimens: plain(c.setattr, (locals, ...[path, low, high]: Ids) => dispatch.utimens(locals, path, whole(low, high))),
  };
}
