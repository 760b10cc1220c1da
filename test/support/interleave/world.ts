// One run of a scenario: whose turn it may be, and what a step does to memory and to those who sleep.

import { mix, numberOf, Running } from './running.js';
import { type Action, perform, type Step, type Thread } from './threads.js';

export interface Scenario {
  readonly threads: Readonly<Record<string, () => Thread>>;
  /** everything that is shared, always in the same order */
  readonly memory: readonly SharedArrayBuffer[];
  /** what the test has of its own besides */
  state?(): string;
  /** only what takes long can go on: is that as it should be? */
  quiet?(view: View): void;
  /** nobody can go on: is that as it should be? Missing: all threads must have ended */
  ended?(view: View): void;
}

/** What threads do at the end: ended, or the step that they cannot do. */
export type View = Readonly<Record<string, string>>;

export interface Bounds {
  /** how often a thread may be left that could go on, or a timeout come early; missing: as often as you like */
  readonly preemptions?: number;
  /** timeouts in one run */
  readonly timeouts?: number;
  readonly clockTick?: number;
  /** what is left after so many stays unexplored */
  readonly runs?: number;
}

export interface Choice {
  readonly thread: Running;
  readonly timesOut: boolean;
  readonly cost: number;
}

/** One run from the beginning. */
export class World {
  readonly scenario: Scenario;
  readonly threads: Running[];
  readonly #sleepers = new Map<number, Running[]>();
  readonly #buffers: Map<unknown, number>;
  readonly #memory = new Map<number, number>();
  #memoryLow = 0;
  #memoryHigh = 0;
  timeouts = 0;
  last: Running | null = null;
  readonly #trace: (readonly [Choice, Step])[] = [];

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    this.#buffers = new Map(scenario.memory.map((buffer, i) => [buffer, i]));
    this.threads = Object.entries(scenario.threads).map(([name, code]) => new Running(name, code()));
    for (const thread of this.threads) thread.resume(undefined);
  }

  choices({ preemptions = Number.POSITIVE_INFINITY, timeouts = 2 }: Bounds): Choice[] {
    const ready = this.threads.filter((thread) => thread.isReady);
    const quick = ready.filter((thread) => thread.action?.slow !== true);
    const goesOn = this.last !== null && quick.includes(this.last);
    const list = (quick.length > 0 ? quick : ready).map((thread) => ({
      thread,
      timesOut: false,
      cost: goesOn && thread !== this.last ? 1 : 0,
    }));
    if (goesOn) list.sort((a, b) => a.cost - b.cost);
    if (this.timeouts < timeouts) {
      for (const thread of this.threads) {
        const limit = thread.asleep ? (thread.step!.args[3] as number | undefined) : undefined;
        if (limit === undefined || limit === Number.POSITIVE_INFINITY) continue;
        list.push({ thread, timesOut: true, cost: quick.length > 0 ? 1 : 0 });
      }
    }
    if (quick.length === 0 && ready.length > 0) this.scenario.quiet?.(this.view());
    if (list.length === 0) this.#end();
    return preemptions === Number.POSITIVE_INFINITY ? list.map((choice) => ({ ...choice, cost: 0 })) : list;
  }

  view(): View {
    return Object.fromEntries(this.threads.map((thread) => [thread.name, thread.place]));
  }

  #end(): void {
    const { ended } = this.scenario;
    const view = this.view();
    if (ended !== undefined) ended(view);
    else if (Object.values(view).some((place) => place !== 'ended')) throw new Error('somebody sleeps for ever');
  }

  /** What has happened, the last steps of it. */
  get trace(): string {
    const told = this.#trace.slice(-150).map(([{ thread, timesOut }, { kind, args }]) => {
      const what = kind === 'do' ? (args[0] as Action).name : `${kind} ${args.slice(1)}`;
      return `${thread.name}: ${timesOut ? 'times out' : what}`;
    });
    return told.join('\n');
  }

  take(choice: Choice): void {
    const { thread, timesOut } = choice;
    this.last = thread;
    const { kind, args } = thread.step!;
    this.#trace.push([choice, thread.step!]);
    if (timesOut) {
      this.timeouts++;
      const queue = this.#sleepers.get(this.#placeOf(thread.step!))!;
      queue.splice(queue.indexOf(thread), 1);
      thread.resume('timed-out');
      return;
    }
    if (kind === 'wait') {
      const [array, at, value] = args as [Int32Array, number, number];
      if (Atomics.load(array, at) !== value) {
        thread.resume('not-equal');
        return;
      }
      const place = this.#placeOf(thread.step!);
      const queue = this.#sleepers.get(place);
      if (queue === undefined) this.#sleepers.set(place, [thread]);
      else queue.push(thread);
      thread.asleep = true;
      return;
    }
    if (kind === 'notify') {
      const queue = this.#sleepers.get(this.#placeOf(thread.step!)) ?? [];
      const woken = queue.splice(0, (args[2] as number | undefined) ?? queue.length);
      for (const other of woken) other.resume('ok');
      thread.resume(woken.length);
      return;
    }
    const result = perform(thread.step!);
    if (kind !== 'do' && kind !== 'read' && kind !== 'load') this.#wrote(thread.step!);
    thread.resume(result);
  }

  #placeOf({ args }: Step): number {
    const [array, at] = args as [Int32Array, number];
    const buffer = this.#buffers.get(array.buffer);
    if (buffer === undefined) throw new Error('memory that the scenario does not name');
    return buffer * 2 ** 24 + array.byteOffset + at * array.BYTES_PER_ELEMENT;
  }

  #wrote(step: Step): void {
    const place = this.#placeOf(step);
    const before = this.#memory.get(place);
    const now = numberOf((step.args[0] as Int32Array)[step.args[1] as number]);
    if (before === now) return;
    for (const value of before === undefined ? [now] : [before, now]) {
      this.#memoryLow ^= mix(mix(3, place), value);
      this.#memoryHigh ^= mix(mix(5, place), value);
    }
    this.#memory.set(place, now);
  }

  key(withLast: boolean): string {
    let low = this.#memoryLow;
    let high = this.#memoryHigh;
    const add = (value: number): void => {
      low = mix(low, value);
      high = mix(high, value ^ 0x2545f491);
    };
    for (const { seenLow, seenHigh, asleep, step } of this.threads) {
      add(seenLow);
      add(seenHigh);
      add(step === null ? 2 : Number(asleep));
    }
    for (const queue of this.#sleepers.values())
      if (queue.length > 1) for (const thread of queue) add(this.threads.indexOf(thread));
    if (withLast && this.last !== null) add(this.threads.indexOf(this.last));
    return `${low} ${high} ${this.scenario.state?.() ?? ''}`;
  }
}
