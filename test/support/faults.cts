// Faults for the threads of a mount process, loaded into it by NODE_OPTIONS=--require; no test code lives in src. CommonJS:
// worker threads of Node 20 run what --require names, and not what --import names.
//
// PBKFS_TEST_FAULTS names a directory. A file in it switches a fault on while the mount runs:
//
//   control, namespace, data     that thread (any one data thread) fails; the content says how: throw, exit, memory
//   child                        the process starts a child that outlives it and writes its pid into the file
//   one-device                   the device can be opened only once
//   hung-open                    the control thread's open of the file named in the content waits for ever
//   no-threads                   the control thread can start no thread, or no more than so many
//   no-fallocate                 from the start of the process on, seccomp answers fallocate with this errno
//   slow-read                    every read of a file below the path in the content takes 50 ms, or as its second line says
//   no-sync                      fsync and fdatasync do nothing in data threads and for the journal
//   lose-writes                  writes to files whose path matches the content are acknowledged and not made
//   aborted-read                 a data thread's first read after the end of the mount fails with ECONNABORTED, not ENODEV
//   slow-sync                    every fdatasync of the file named in the content takes 2 s
//   slow-names                   every record of the journal takes the namespace thread as many ms as the content says

import childProcess = require('node:child_process');
import fs = require('node:fs');
import nodeModule = require('node:module');
import nodePath = require('node:path');
import workerThreads = require('node:worker_threads');

const { join } = nodePath;
const { isMainThread, workerData } = workerThreads;

const directory = process.env.PBKFS_TEST_FAULTS;
// A worker does not know its program yet.
const concernsUs = !isMainThread || process.argv[1]?.endsWith('/mount/process.js');

if (directory !== undefined && concernsUs) arm(directory);

function arm(directory: string): void {
  if (isMainThread) {
    armControl(directory);
    const refusal = contentOf(directory, 'no-fallocate');
    if (refusal !== undefined) refuseFallocate(Number(refusal));
    setInterval(() => {
      trip(directory, 'control');
      if (contentOf(directory, 'child') === '') startChild(join(directory, 'child'));
    }, 20).unref();
    return;
  }
  // Node has a worker of its own for loading modules.
  const data = workerData as { thread?: number } | null;
  if (data?.thread === 0) armNamespace(directory);
  else if (data?.thread !== undefined) armData(directory);
}

function armControl(directory: string): void {
  const { openSync, fdatasync } = fs;
  const { Worker } = workerThreads;
  let opened = 0;
  let started = 0;
  workerThreads.Worker = class extends Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      const most = contentOf(directory, 'no-threads');
      if (most !== undefined && started >= Number(most)) throw Object.assign(new Error('EAGAIN'), { code: 'EAGAIN' });
      super(...args);
      started++;
    }
  };
  // The control thread syncs the journal in the background.
  fs.fdatasync = ((fd: number, ended: fs.NoParamCallback) => {
    if (contentOf(directory, 'no-sync') === undefined) fdatasync(fd, ended);
    else setImmediate(ended, null);
  }) as typeof fs.fdatasync;
  fs.openSync = ((file: fs.PathLike, ...rest: unknown[]) => {
    if (file === '/dev/fuse' && contentOf(directory, 'one-device') !== undefined && ++opened > 1) {
      throw Object.assign(new Error('EACCES: injected'), { code: 'EACCES', syscall: 'open' });
    }
    if (String(file) === contentOf(directory, 'hung-open')) sleep(Number.POSITIVE_INFINITY);
    return (openSync as (...args: unknown[]) => number)(file, ...rest);
  }) as typeof fs.openSync;
  nodeModule.syncBuiltinESMExports();
}

/** For this thread, and those that it starts. */
function refuseFallocate(errno: number): void {
  const PR_SET_SECCOMP = 22;
  const SECCOMP_MODE_FILTER = 2;
  const koffi = require('koffi') as typeof import('koffi');
  koffi.struct('sock_filter', { code: 'uint16_t', jt: 'uint8_t', jf: 'uint8_t', k: 'uint32_t' });
  koffi.struct('sock_fprog', { len: 'uint16_t', filter: 'sock_filter *' });
  const prctl = koffi.load(null).func('int prctl(int, unsigned long, sock_fprog *, unsigned long, unsigned long)');
  const filter = [
    { code: 0x20, jt: 0, jf: 0, k: 0 }, // the call's number
    { code: 0x15, jt: 0, jf: 1, k: process.arch === 'arm64' ? 47 : 285 },
    { code: 0x06, jt: 0, jf: 0, k: 0x50000 | errno },
    { code: 0x06, jt: 0, jf: 0, k: 0x7fff0000 },
  ];
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, { len: filter.length, filter }, 0, 0) !== 0)
    throw new Error('seccomp is refused');
}

function startChild(file: string): void {
  const child = childProcess.spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
  child.unref();
  fs.writeFileSync(file, String(child.pid));
}

/** In its sleep: outside of everything that answers for a single request. */
function armNamespace(directory: string): void {
  armWrites(directory);
  const { writeSync } = fs;
  fs.writeSync = ((fd: number, ...rest: unknown[]) => {
    const ms = contentOf(directory, 'slow-names');
    if (ms !== undefined && pathOf(fd).endsWith('/journal')) sleep(Number(ms));
    return (writeSync as (...args: unknown[]) => number)(fd, ...rest);
  }) as typeof fs.writeSync;
  nodeModule.syncBuiltinESMExports();
  const wait = Atomics.wait;
  Atomics.wait = ((...args: Parameters<typeof wait>) => {
    trip(directory, 'namespace');
    return wait(...args);
  }) as typeof wait;
}

function armWrites(directory: string): void {
  const { writeSync } = fs;
  fs.writeSync = ((fd: number, data: Uint8Array, ...rest: unknown[]) => {
    const lost = contentOf(directory, 'lose-writes');
    if (lost !== undefined && new RegExp(lost).test(pathOf(fd))) return (rest[1] as number | undefined) ?? data.length;
    return (writeSync as (...args: unknown[]) => number)(fd, data, ...rest);
  }) as typeof fs.writeSync;
  nodeModule.syncBuiltinESMExports();
}

function armData(directory: string): void {
  armWrites(directory);
  const { readSync, fdatasyncSync, fsyncSync } = fs;
  const targets = new Map<number, boolean>();
  let aborted = false;
  fs.readSync = ((fd: number, ...rest: unknown[]) => {
    let count: number;
    try {
      count = (readSync as (...args: unknown[]) => number)(fd, ...rest);
    } catch (error) {
      const gone = (error as NodeJS.ErrnoException).code === 'ENODEV' && !aborted;
      if (!gone || contentOf(directory, 'aborted-read') === undefined) throw error;
      aborted = true;
      throw Object.assign(new Error('ECONNABORTED: injected'), { code: 'ECONNABORTED', syscall: 'read' });
    }
    // Requests arrive through here; what is thrown instead is no errno that the loop knows.
    if (isDevice(fd, targets)) trip(directory, 'data');
    else sleep(slowness(directory, 'slow-read', fd, 50));
    return count;
  }) as typeof fs.readSync;
  fs.fdatasyncSync = (fd) => {
    if (contentOf(directory, 'no-sync') !== undefined) return;
    sleep(slowness(directory, 'slow-sync', fd, 2000));
    fdatasyncSync(fd);
  };
  fs.fsyncSync = (fd) => {
    if (contentOf(directory, 'no-sync') === undefined) fsyncSync(fd);
  };
  nodeModule.syncBuiltinESMExports();
}

function trip(directory: string, kind: string): void {
  const how = contentOf(directory, kind);
  if (how === undefined) return;
  if (how === 'exit') process.exit(7);
  if (how === 'memory') for (const hoard: unknown[] = []; ; ) hoard.push(new Array(1000).fill(hoard.length));
  throw new Error(`injected into the ${kind} thread`);
}

function isDevice(fd: number, known: Map<number, boolean>): boolean {
  // A thread's device stays open as long as the thread lives, and its number is never used for anything else.
  if (known.get(fd)) return true;
  const device = pathOf(fd) === '/dev/fuse';
  if (device) known.set(fd, true);
  return device;
}

/** Milliseconds that something with this file shall take. */
function slowness(directory: string, kind: string, fd: number, usual: number): number {
  const [prefix, ms = usual] = contentOf(directory, kind)?.split('\n') ?? [];
  return prefix !== undefined && pathOf(fd).startsWith(prefix) ? Number(ms) : 0;
}

function pathOf(fd: number): string {
  return fs.readlinkSync(`/proc/self/fd/${fd}`);
}

function contentOf(directory: string, kind: string): string | undefined {
  try {
    return fs.readFileSync(join(directory, kind), 'utf8');
  } catch {
    return undefined;
  }
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
