// What a thread of the rewritten code (see stepwise.ts) stops at, and what that code finds in place of parts of Node.

export * from 'node:fs';

/** What a thread is about to do: an operation of Atomics, a plain read or write of a shared array, or `do`. */
export interface Step {
  readonly kind: string;
  readonly args: readonly unknown[];
}

/** Something of the test's own that is one step. */
export interface Action {
  /** whether it can be done now; missing: always */
  enabled?(): boolean;
  /** nobody knows how long it takes: it is done only when nothing else can */
  readonly slow?: boolean;
  /** for messages */
  readonly name: string;
  run(): unknown;
}

export type Thread<T = unknown> = Generator<Step, T, unknown>;

function isThread(value: unknown): value is Thread {
  return Object.prototype.toString.call(value) === '[object Generator]';
}

/** What comes of a value: of a function that stops its result, of everything else itself. */
export function* run(value: unknown): Thread {
  return isThread(value) ? yield* value : value;
}

/** Properties of an object, of which some are getters that stop. */
export function* pick(from: Record<string, unknown>, names: readonly string[]): Thread {
  const picked: Record<string, unknown> = {};
  for (const name of names) picked[name] = yield* run(from[name]);
  return picked;
}

export function* act(action: Action): Thread {
  return yield { kind: 'do', args: [action] };
}

/** Runs something to its end at once, while no other thread is there. */
export function finish<T>(value: T): T extends Thread<infer R> ? R : T {
  if (!isThread(value)) return value as never;
  for (let next = value.next(); ; next = value.next(perform(next.value))) if (next.done) return next.value as never;
}

/** Does a step that is not a wait. */
export function perform({ kind, args }: Step): unknown {
  const [array, at, value] = args as [Int32Array, number, number];
  switch (kind) {
    case 'read':
      return array[at];
    case 'write':
      array[at] = value;
      return value;
    case 'do':
      return (args[0] as Action).run();
    case 'notify':
      return 0;
    default:
      return (Atomics as unknown as Record<string, (...args: unknown[]) => unknown>)[kind](...args);
  }
}

/** The clock of the thread that runs. Each look at it takes a while, so that nothing waits for a time in vain. */
export const clock = { now: 0, tick: 0.03 };

export const performance = {
  now(): number {
    clock.now += clock.tick;
    return clock.now;
  },
};

/** In place of read(2) and fsync(2): the test says what there is to read on a device, and what becomes durable. */
export const device: { read(device: number, buffer: Uint8Array): Thread<number>; sync(fd: number): Thread } = {
  read: () => {
    throw new Error('no device');
  },
  sync: () => {
    throw new Error('no disk');
  },
};

export const fsyncSync = (fd: number): Thread => device.sync(fd);
export const fdatasyncSync = fsyncSync;

export function readSync(number: number, buffer: Uint8Array): Thread<number> {
  return device.read(number, buffer);
}
