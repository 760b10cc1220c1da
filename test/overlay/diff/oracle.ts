// What a file may contain: the contract of the diff, in its plainest form, for files made of 2 KiB units.
//
//   1. Acknowledged survives a kill: length and every unit are what the last acknowledged operation left. Of an
//      operation the kill interrupted, every unit is old or new, the length is old or new.
//   2. Fsynced survives a power cut. Without fsync a power cut leaves per unit either the content at the last fsync
//      (its snapshot, that is) or some later content, never something older, never zeros where there were none;
//      the length is one the file had at the last fsync or later.
//   3. What is seen after a mount stays: it counts as fsynced.
//   4. A failed operation leaves every unit old or new and the length old; a kill afterwards may still choose.
//
// Growing a file writes zeros: a write beyond the end is "extend by zeros, then write" (ext4, too, may show those zeros
// after a power cut). A truncate writes nothing: what it cut off is gone, not zero, until the file grows again.
//
// Contents are numbers: 0 zeros, 1 the base's bytes, 2..30 written data. Sets of contents are bit masks.

export const UNIT = 2048;
export const ZERO = 0;
export const BASE = 1;

export type Mutation =
  /** A hole does not reach beyond the end. */
  | { readonly kind: 'write' | 'hole'; readonly from: number; readonly to: number }
  | { readonly kind: 'truncate' | 'extend'; readonly to: number };

/** Every action of an fsync between snapshot and return, at which something else may happen. */
export interface Overlap {
  readonly mutation: Mutation;
  /** Before this storage call of the sync the mutation runs. */
  readonly at: number;
}

/** A file as seen: its length and the content of each unit below it. */
export interface Seen {
  readonly length: number;
  readonly units: readonly number[];
}

/** What a power cut may leave. */
interface Possible {
  units: number[];
  /** Bit n: n units. */
  lengths: number;
}

const clonePossible = (possible: Possible): Possible => ({
  units: [...possible.units],
  lengths: possible.lengths,
});

export class Oracle {
  #length: number;
  #units: number[];
  #afterCut: Possible;
  /** Additional outcomes of a kill: those of failed operations nothing has repaired yet. */
  #afterKill: Possible = { units: [], lengths: 0 };
  /** What the snapshot of an fsync under way will make of #afterCut. */
  #pending: Possible | undefined;

  constructor(seen: Seen) {
    this.#length = seen.length;
    this.#units = [...seen.units];
    this.#afterCut = this.#only();
  }

  clone(): Oracle {
    const copy = new Oracle({ length: this.#length, units: this.#units });
    copy.#afterCut = clonePossible(this.#afterCut);
    copy.#afterKill = clonePossible(this.#afterKill);
    copy.#pending = this.#pending === undefined ? undefined : clonePossible(this.#pending);
    return copy;
  }

  key(): string {
    const possible = (p: Possible): string => `${p.units.join(',')}/${p.lengths}`;
    return `${this.#length}:${this.#units.join(',')}:${possible(this.#afterCut)}:${possible(this.#afterKill)}`;
  }

  get length(): number {
    return this.#length;
  }

  /** Contents for a write: per unit the smallest number that unit cannot hold anywhere yet. */
  fresh(mutation: Mutation): number[] {
    if (mutation.kind === 'hole') {
      const end = Math.min(mutation.to, this.#length);
      return new Array(Math.max(0, end - mutation.from) / UNIT).fill(ZERO);
    }
    if (mutation.kind !== 'write') return [];
    const numbers: number[] = [];
    for (let unit = mutation.from / UNIT; unit < mutation.to / UNIT; unit++) {
      const used =
        (1 << (this.#units[unit] ?? 0)) |
        (this.#afterCut.units[unit] ?? 0) |
        (this.#afterKill.units[unit] ?? 0) |
        (this.#pending?.units[unit] ?? 0);
      let number = 2;
      while ((used & (1 << number)) !== 0) number++;
      numbers.push(number);
    }
    return numbers;
  }

  /** The mutation was acknowledged. */
  done(mutation: Mutation, contents: readonly number[]): void {
    this.started(mutation, contents);
    this.#afterKill = { units: [], lengths: 0 };
    const to = mutation.kind === 'hole' ? 0 : mutation.to;
    if (mutation.kind === 'truncate' && to < this.#length) this.#units.length = to / UNIT;
    while (this.#units.length < to / UNIT) this.#units.push(ZERO);
    if ('from' in mutation) this.#units.splice(mutation.from / UNIT, contents.length, ...contents);
    this.#length = this.#units.length * UNIT;
  }

  /** The mutation began and may or may not have had effects. */
  started(mutation: Mutation, contents: readonly number[]): void {
    const to = mutation.kind === 'hole' ? 0 : mutation.to;
    const targets = [this.#afterCut, this.#afterKill, ...(this.#pending === undefined ? [] : [this.#pending])];
    for (const possible of targets) {
      const add = (unit: number, content: number): void => {
        possible.units[unit] = (possible.units[unit] ?? 0) | (1 << content);
      };
      for (let unit = this.#length / UNIT; unit < to / UNIT; unit++) add(unit, ZERO);
      const first = 'from' in mutation ? mutation.from / UNIT : 0;
      for (const [i, content] of contents.entries()) add(first + i, content);
      const grows = to > this.#length;
      possible.lengths |= 1 << ((mutation.kind === 'truncate' || grows ? to : this.#length) / UNIT);
    }
  }

  /** The mutation failed and `seen` is what it left. Returns what is wrong with that. */
  failed(seen: Seen): string | undefined {
    const wrong = seen.length === this.#length ? this.#check(seen, this.#afterKill, true) : `length ${seen.length}`;
    for (let unit = 0; unit < this.#units.length; unit++) {
      this.#afterKill.units[unit] = (this.#afterKill.units[unit] ?? 0) | (1 << this.#units[unit]);
    }
    this.#units = [...seen.units];
    return wrong;
  }

  beginSync(): void {
    this.#pending = this.#only();
    this.#afterKill = { units: [], lengths: 0 };
  }

  endSync(): void {
    if (this.#pending !== undefined) this.#afterCut = this.#pending;
    this.#pending = undefined;
  }

  /** Checks the file as read while nothing is wrong. */
  checkLive(seen: Seen): string | undefined {
    return this.#check(seen, { units: [], lengths: 0 }, true);
  }

  /** Checks the file after a kill and a new mount, and takes it as fsynced. */
  afterKill(seen: Seen): string | undefined {
    const wrong = this.#check(seen, this.#afterKill, true);
    this.#restart(seen);
    return wrong;
  }

  /** Checks the file after a power cut and a new mount, and takes it as fsynced. */
  afterCut(seen: Seen): string | undefined {
    const wrong = this.#check(seen, this.#afterCut, false);
    this.#restart(seen);
    return wrong;
  }

  #check(seen: Seen, possible: Possible, orNow: boolean): string | undefined {
    const expected = (possible.lengths & (1 << (seen.length / UNIT))) !== 0 || (orNow && seen.length === this.#length);
    if (!expected) return `length ${seen.length}`;
    for (let unit = 0; unit < seen.units.length; unit++) {
      const content = seen.units[unit];
      const now = orNow && unit < this.#units.length && this.#units[unit] === content;
      if (!now && ((possible.units[unit] ?? 0) & (1 << content)) === 0) return `unit ${unit} holds ${content}`;
    }
    return undefined;
  }

  #restart(seen: Seen): void {
    this.#length = seen.length;
    this.#units = [...seen.units];
    this.#afterCut = this.#only();
    this.#afterKill = { units: [], lengths: 0 };
    this.#pending = undefined;
  }

  #only(): Possible {
    return { units: this.#units.map((content) => 1 << content), lengths: 1 << (this.#length / UNIT) };
  }
}
