// One state of the model check: a simulated disk, the shared memory of one file, and the oracle that watches it.

import {
  createObject,
  DiffFile,
  type DiffStorage,
  loadMap,
  type OpenObject,
  openObject,
  removeObject,
  stateSize,
} from '../../../src/overlay/diff/index.js';
import { BASE_LENGTH, base, byteOf } from './model-base.js';
import { type Mutation, Oracle, type Overlap, type Seen, UNIT } from './oracle.js';
import { seenThrough, Violation } from './seen-file.js';
import type { Cut } from './simulated-content.js';
import { type Fault, killed, SimulatedDisk } from './simulated-disk.js';
import { nameMapPage, ranked } from './world-key.js';

const IDENTITY = 'TESTBACKUP/base/1/16384';
const DIRECTORY = 'objects';

/** Puts a faulty layer over the disk, to see whether the checker notices. */
export type Wrap = (disk: SimulatedDisk) => DiffStorage;

// One region for all worlds: a world's bytes are copied in before its code runs and out afterwards.
const region = { buffer: new SharedArrayBuffer(stateSize(BASE_LENGTH)), byteOffset: 0 };
const live = new Uint8Array(region.buffer);

const bootName = (boot: number): string => `00000000-0000-4000-8000-${String(boot).padStart(12, '0')}`;

export class World {
  #disk = new SimulatedDisk();
  #state = new Uint8Array(stateSize(BASE_LENGTH));
  #object!: OpenObject;
  #oracle!: Oracle;
  #boot = 1;
  #objects = 0;
  readonly #wrap: Wrap;

  constructor(wrap: Wrap = (disk) => disk) {
    this.#wrap = wrap;
  }

  static create(wrap?: Wrap): World {
    const world = new World(wrap);
    world.#newObject();
    world.#saveState();
    world.#oracle = new Oracle(world.#see());
    return world;
  }

  clone(): World {
    const copy = new World(this.#wrap);
    copy.#disk = this.#disk.clone();
    copy.#state = this.#state.slice();
    copy.#object = { ...this.#object };
    copy.#oracle = this.#oracle.clone();
    copy.#boot = this.#boot;
    copy.#objects = this.#objects;
    return copy;
  }

  /** Equal for worlds with the same future. */
  key(): string {
    const words = new Int32Array(this.#state.buffer);
    const sequence = new Float64Array(this.#state.buffer)[2];
    // Of the counters only the differences matter, of the sequences only the order.
    const pending = `${words[6] > words[7]}${words[8] > words[9]}`;
    const rest = `${words.subarray(0, 4)} ${words[10]} ${words[11]} ${words.subarray(16)} s${sequence}`;
    return ranked(`${this.#disk.key(nameMapPage)} ${pending} ${rest} ${this.#oracle.key()}`);
  }

  get length(): number {
    return this.#oracle.length;
  }

  /** Runs a mutation to its end. Returns the number of storage calls. */
  mutate(mutation: Mutation): number {
    const contents = this.#oracle.fresh(mutation);
    this.#disk.setFault(undefined);
    this.#apply(mutation, contents);
    this.#oracle.done(mutation, contents);
    this.#saveState();
    this.#expect(this.#oracle.checkLive(this.#see()), 'after a mutation');
    return this.#disk.calls;
  }

  /** Runs a mutation that the process does not survive, then `end`s. */
  mutateAndDie(mutation: Mutation, at: number): void {
    const contents = this.#oracle.fresh(mutation);
    this.#oracle.started(mutation, contents);
    this.#dies({ kind: 'kill', at }, () => this.#apply(mutation, contents));
  }

  /** Runs a mutation in which storage calls fail. Returns whether it failed. */
  mutateAndFail(mutation: Mutation, fault: Fault): boolean {
    const contents = this.#oracle.fresh(mutation);
    this.#disk.setFault(fault);
    let error: unknown;
    try {
      this.#apply(mutation, contents);
    } catch (thrown) {
      error = thrown;
    }
    this.#disk.setFault(undefined);
    this.#saveState();
    if (error === undefined) {
      this.#oracle.done(mutation, contents);
      this.#expect(this.#oracle.checkLive(this.#see()), 'after a mutation in spite of a fault');
      // A truncate may succeed while its map is still to be repaired; then the next kill finds the shorter object.
      return false;
    }
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    this.#oracle.started(mutation, contents);
    this.#expect(this.#oracle.failed(this.#see()), 'after a failed mutation');
    return true;
  }

  /** fsync, with mutations in between. Returns the number of storage calls of the sync itself. */
  sync(overlap?: Overlap): number {
    this.#disk.setFault(undefined);
    this.#runSync(overlap);
    this.#oracle.endSync();
    this.#saveState();
    this.#expect(this.#oracle.checkLive(this.#see()), 'after an fsync');
    return this.#disk.calls;
  }

  syncAndDie(at: number, overlap?: Overlap): void {
    this.#dies({ kind: 'kill', at }, () => this.#runSync(overlap));
  }

  /** An fsync in which storage calls fail. */
  syncAndFail(fault: Fault): boolean {
    this.#disk.setFault(fault);
    let failed = false;
    try {
      this.#runSync(undefined);
      this.#oracle.endSync();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      failed = true;
    }
    this.#disk.setFault(undefined);
    this.#saveState();
    this.#expect(this.#oracle.checkLive(this.#see()), 'after a failed fsync');
    return failed;
  }

  /** kill -9 (also of a process that is dead already) and a new mount. Returns the mount's storage calls. */
  kill(): number {
    this.#disk.kill();
    const calls = this.#mount();
    this.#expect(this.#oracle.afterKill(this.#see()), 'after a kill');
    return calls;
  }

  /** kill -9 and a mount that dies before its storage call `at`. */
  killAndDieMounting(at: number): void {
    this.#disk.kill();
    this.#dies({ kind: 'kill', at }, () => this.#load());
  }

  /** Power cut; nothing is mounted yet. */
  cut(object: Cut, map: Cut, keepNames: boolean): void {
    this.#disk.powerCut((name) => (name.endsWith('.map') ? map : object), keepNames);
    this.#boot++;
  }

  /** The mount after a power cut. Returns its storage calls. */
  mountAfterCut(): number {
    this.#disk.kill();
    const calls = this.#mount();
    this.#expect(this.#oracle.afterCut(this.#see()), 'after a power cut');
    return calls;
  }

  get namesSynced(): boolean {
    return this.#disk.namesSynced;
  }

  /** The cuts that differ now, as pairs for object and map. */
  distinctCuts(object: readonly Cut[], map: readonly Cut[]): { object: Cut[]; map: Cut[] } {
    const path = `${DIRECTORY}/${this.#object.objectId}`;
    return { object: this.#disk.distinctCuts(path, object), map: this.#disk.distinctCuts(`${path}.map`, map) };
  }

  /** Equal for power cuts that left the same disk and the same expectations. */
  cutKey(): string {
    return ranked(`${this.#boot} ${this.#disk.key(nameMapPage)} ${this.#oracle.key()}`);
  }

  #file(): DiffFile {
    return new DiffFile(this.#wrap(this.#disk), this.#object, region, base, BASE_LENGTH);
  }

  #apply(mutation: Mutation, contents: readonly number[]): void {
    live.set(this.#state);
    this.#applyLive(mutation, contents);
  }

  #applyLive(mutation: Mutation, contents: readonly number[]): void {
    const file = this.#file();
    if (mutation.kind === 'write') {
      const data = new Uint8Array(mutation.to - mutation.from);
      for (const [i, content] of contents.entries()) {
        data.fill(byteOf(mutation.from / UNIT + i, content), i * UNIT, (i + 1) * UNIT);
      }
      file.write(data, 0, data.length, mutation.from);
    } else if (mutation.kind === 'hole') file.zeroRange(mutation.from, mutation.to);
    else if (mutation.kind === 'truncate') file.truncate(mutation.to);
    else file.extend(mutation.to);
  }

  #runSync(overlap: Overlap | undefined): void {
    live.set(this.#state);
    const file = this.#file();
    const snapshot = file.snapshot();
    this.#oracle.beginSync();
    const run = (): void => {
      if (overlap === undefined) return;
      const contents = this.#oracle.fresh(overlap.mutation);
      this.#oracle.started(overlap.mutation, contents);
      this.#applyLive(overlap.mutation, contents);
      this.#oracle.done(overlap.mutation, contents);
    };
    if (overlap === undefined) {
      file.sync(snapshot);
      return;
    }
    let call = 0;
    const disk = this.#disk;
    disk.before = () => {
      if (call++ !== overlap.at) return;
      disk.before = undefined;
      run();
    };
    try {
      file.sync(snapshot);
    } finally {
      disk.before = undefined;
    }
    // The sync had fewer calls: the mutation comes after it, which other sequences cover.
  }

  #dies(fault: Fault, run: () => void): void {
    this.#disk.setFault(fault);
    try {
      run();
    } catch (error) {
      if (error !== killed) throw error;
    }
  }

  #mount(): number {
    this.#disk.setFault(undefined);
    this.#load();
    this.#saveState();
    return this.#disk.calls;
  }

  #load(): void {
    const { objectId } = this.#object;
    // Before the first fsync a power cut may take names; the caller's journal then has no durable use for the object.
    if (!this.#disk.has(`${DIRECTORY}/${objectId}`) || !this.#disk.has(`${DIRECTORY}/${objectId}.map`)) {
      this.#newObject();
      return;
    }
    const storage = this.#wrap(this.#disk);
    this.#object = openObject(storage, DIRECTORY, objectId);
    const options = { baseIdentity: IDENTITY, baseLength: BASE_LENGTH, bootId: bootName(this.#boot) };
    if (loadMap(storage, this.#object, options, region) === 'loaded') return;
    removeObject(storage, DIRECTORY, objectId);
    this.#newObject();
  }

  #newObject(): void {
    const id = String(this.#objects++).padStart(32, '0');
    const options = { baseIdentity: IDENTITY, baseLength: BASE_LENGTH, bootId: bootName(this.#boot) };
    this.#object = createObject(this.#wrap(this.#disk), DIRECTORY, options, region, id);
  }

  #saveState(): void {
    this.#state.set(live);
  }

  #see(): Seen {
    live.set(this.#state);
    return seenThrough(this.#file(), this.#disk, this.#object.objectFd);
  }

  #expect(wrong: string | undefined, when: string): void {
    if (wrong !== undefined) throw new Violation(`${wrong} ${when}`);
  }
}
