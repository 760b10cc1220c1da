// One thread of a scenario, and the numbers by which states are known.

import { type Action, clock, type Step, type Thread } from './threads.js';

export class Running {
  readonly name: string;
  readonly #code: Thread;
  step: Step | null = null;
  asleep = false;
  /** of all it has seen */
  seenLow = 1;
  seenHigh = 2;
  #now = 0;

  constructor(name: string, code: Thread) {
    this.name = name;
    this.#code = code;
  }

  /** Goes on to the next step, with what came of the last one. */
  resume(result: unknown): void {
    if (this.step !== null) this.#note(result);
    clock.now = this.#now;
    const { done, value } = this.#code.next(result);
    this.#now = clock.now;
    this.step = done ? null : (value as Step);
    this.asleep = false;
  }

  #note(result: unknown): void {
    const seen = numberOf(result);
    this.seenLow = mix(this.seenLow, seen);
    this.seenHigh = mix(this.seenHigh, seen ^ 0x5bd1e995);
  }

  get action(): Action | null {
    return this.step?.kind === 'do' ? (this.step.args[0] as Action) : null;
  }

  get isReady(): boolean {
    return this.step !== null && !this.asleep && this.action?.enabled?.() !== false;
  }

  get place(): string {
    if (this.step === null) return 'ended';
    return this.action?.name ?? (this.asleep ? 'asleep' : this.step.kind);
  }
}

const text = new Map<unknown, number>();
const float = new Float64Array(1);
const halves = new Int32Array(float.buffer);

/** A number that stands for what a step has given. */
export function numberOf(value: unknown): number {
  if (typeof value === 'number') {
    if (value === (value | 0)) return value;
    float[0] = value;
    return halves[0] ^ (halves[1] * 31);
  }
  let known = text.get(value);
  if (known === undefined) {
    known = text.size * 7919 + 17;
    if (typeof value !== 'object') text.set(value, known);
  }
  return known;
}

export function mix(hash: number, value: number): number {
  let h = Math.imul(hash ^ value, 0x9e3779b1);
  h ^= h >>> 15;
  h = Math.imul(h + 0x7f4a7c15, 0x85ebca6b);
  return h ^ (h >>> 13);
}
