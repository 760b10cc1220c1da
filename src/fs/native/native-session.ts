// One mount through fuse-native: every call of libfuse arrives on this thread and is answered before the next, except
// while it is open whether a file is being removed or replaced (see silly-renames.ts).

import { readdirSync, readlinkSync } from 'node:fs';
import { errno, errnoOf } from '../../errors.js';
import { type Counters, counter, operation as numbers } from '../../metrics/counters.js';
import type { Binding, Handler, NativeLibrary, Signal } from './binding.js';
import type { NativeDispatch } from './native-dispatch.js';
import { type Answer, type Operation, operations } from './operations.js';

const OPCODES = 34;
const OTHER = numbers.other;
/** libfuse goes on with a rename within microseconds; after this time, in ms, a file was removed and not replaced. */
const DECIDED_AFTER = 3;
/** How often to look whether libfuse has ended, in ms: it tells nobody. */
const LOOK_EVERY = 50;

/** Answers a call, once. */
type Done = (result: number, payload: readonly unknown[]) => void;

export interface NativeSessionOptions {
  readonly library: NativeLibrary;
  readonly dispatch: NativeDispatch;
  readonly counters: Counters;
  /** a call failed in a way worth a line in the log; never throws */
  failed(operation: string, path: unknown, error: unknown): void;
}

export class NativeSession {
  /** Resolves when libfuse has ended: the mount is gone or aborted, every call was answered. */
  readonly ended: Promise<void>;
  readonly #options: NativeSessionOptions;
  readonly #binding: Binding;
  readonly #waiting: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #resolve!: () => void;

  constructor(options: NativeSessionOptions) {
    this.#options = options;
    this.#binding = options.library.binding;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /**
   * Mounts; resolves when the kernel has said hello, or at once if that failed.
   * @param options for libfuse, comma-separated, below 1000 bytes
   * @throws an Error without a reason, which libfuse has printed to standard error
   */
  async mount(mountpoint: string, options: string): Promise<void> {
    const before = new Set(fuseDevices());
    const thread = Buffer.alloc(this.#binding.sizeof_fuse_thread_t);
    const records: Buffer[] = [];
    const allocate = (size: number): Buffer => {
      const record = Buffer.alloc(size);
      records.push(record);
      return record;
    };
    await new Promise<void>((resolve) => {
      const { handlers, implemented } = this.#handlers(operations(this.#options.dispatch, resolve));
      // The library keeps the context, and with it what C code has pointers to.
      const context = { thread, records };
      const mount = this.#binding.fuse_native_mount;
      mount(mountpoint, `-o${options}`, thread, context, allocate, handlers, implemented);
      this.ended.then(resolve);
      const device = fuseDevices().find((fd) => !before.has(fd));
      this.#watch(device, () => this.#binding.fuse_native_unmount(mountpoint, thread));
    });
  }

  /** Decides what is undecided and answers who waits for that. */
  settle(): void {
    clearTimeout(this.#timer);
    const { silly } = this.#options.dispatch;
    for (;;) {
      if (silly.undecided !== null) this.#removed();
      if (this.#waiting.length === 0) return;
      this.#serveWaiting();
    }
  }

  #watch(device: number | undefined, release: () => void): void {
    const timer = setInterval(() => {
      if (device !== undefined && isFuseDevice(device)) return;
      clearInterval(timer);
      this.settle();
      release();
      this.#resolve();
    }, LOOK_EVERY);
  }

  #handlers(table: Record<string, Operation>): { handlers: Handler[]; implemented: Uint32Array } {
    const handlers = new Array<Handler>(OPCODES).fill(() => undefined);
    const implemented = new Uint32Array(OPCODES + 1);
    const exported = this.#binding as unknown as Record<string, number | Signal>;
    for (const [name, operation] of Object.entries(table)) {
      const code = exported[`op_${name}`] as number;
      const signal = exported[`fuse_native_signal_${name}`] as Signal;
      implemented[code] = 1;
      handlers[code] = (locals, _code, ...args) => this.#arrived(name, operation, signal, locals, args);
    }
    return { handlers, implemented };
  }

  #arrived(name: string, operation: Operation, signal: Signal, locals: Buffer, args: never[]): void {
    const begun = performance.now();
    this.#options.counters.received();
    const done: Done = (result, payload) => {
      signal(locals, result, ...payload);
      this.#options.counters.answered(operation.number ?? OTHER, performance.now() - begun);
    };
    const serve = (): void => this.#serve(name, operation, done, locals, args);
    const refreshing = name === 'getattr' ? this.#options.dispatch.refresh(args[0]!) : null;
    if (refreshing === null) serve();
    else void refreshing.then(serve);
  }

  #serve(name: string, operation: Operation, done: Done, locals: Buffer, args: never[]): void {
    const { silly } = this.#options.dispatch;
    const { undecided } = silly;
    if (undecided !== null && undecided.locals !== locals) {
      this.#waiting.push(() => this.#serve(name, operation, done, locals, args));
      return;
    }
    if (undecided !== null) {
      clearTimeout(this.#timer);
      if (name === 'rename' && args[1] === undecided.path) silly.replaced();
      else this.#removed();
    }
    const [result, ...payload] = this.#answer(name, operation, locals, args);
    if (silly.undecided !== null) this.#timer = setTimeout(() => this.settle(), DECIDED_AFTER);
    done(result, payload);
    this.#serveWaiting();
  }

  #answer(name: string, operation: Operation, locals: Buffer, args: never[]): Answer {
    const { counters, failed } = this.#options;
    try {
      return operation.run(locals, ...args);
    } catch (error) {
      const number = errnoOf(error);
      if (number === errno.EIO) {
        counters.add(counter.errors, 1);
        failed(name, args[0], error);
      }
      return [-number, ...operation.nothing(...args)];
    }
  }

  #removed(): void {
    try {
      this.#options.dispatch.silly.removed();
    } catch (error) {
      // The caller has been told that it is gone: all that can be done.
      this.#options.failed('unlink', undefined, error);
    }
  }

  #serveWaiting(): void {
    const { silly } = this.#options.dispatch;
    while (this.#waiting.length > 0 && silly.undecided === null) this.#waiting.shift()!();
  }
}

/** Descriptors of this process that lead to the FUSE driver. */
function fuseDevices(): number[] {
  return readdirSync('/proc/self/fd').map(Number).filter(isFuseDevice);
}

function isFuseDevice(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === '/dev/fuse';
  } catch {
    return false;
  }
}
