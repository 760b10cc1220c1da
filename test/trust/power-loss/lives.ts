// Lives of one diff on a disk that forgets: random operations on the overlay, a power cut or kill at some moment between
// two system calls (also of mounting and of the clean end), a new mount, and the question whether the contract allows
// what it finds.

import { mkdirSync } from 'node:fs';
import { DirectOverlay, isDirectory } from '../../support/direct-overlay.js';
import type { ForgetfulDisk } from '../../support/forgetful-disk.js';
import { CrashModel, type Entry, type FoundTree } from '../../support/power-loss-model.js';
import type { PowerSwitch } from '../../support/power-switch.js';
import { seededRandom } from '../../support/seeded-random.js';
import { namesOfCatalog, RandomWork, Violation, type WorkedTree, type WorkPlace } from '../random-work.js';

const place: WorkPlace = {
  paths: [
    ...['base/1/100', 'base/1/100', 'base/1/101', 'base/1/raw', 'base/1/small', 'base/2/200'],
    ...['base/1/new', 'base/2/new', 'pg_wal/1', 'pg_wal/2', 'base/3/new', 'base/3/100'],
    'pg_wal/000000010000000000000001',
  ],
  directories: ['base/2', 'base/3', 'base/5'],
};

export interface LivesReport {
  readonly lives: number;
  readonly powerCuts: number;
  readonly kills: number;
  /** Cuts while a mount was being made, while it ended cleanly. */
  readonly cutsOfMounts: number;
  readonly cutsOfEnds: number;
  readonly operations: number;
  readonly fsyncs: number;
  /** What the contract forbids, with the steps that led to it. */
  readonly violation?: string;
}

export class Lives {
  readonly #disk: ForgetfulDisk;
  readonly #power: PowerSwitch;
  readonly #catalog: string;
  readonly #diff: string;
  readonly #below: (limit: number) => number;
  readonly #model = new CrashModel(namesOfCatalog());
  readonly #steps: string[] = [];
  readonly #count = { lives: 0, powerCuts: 0, kills: 0, cutsOfMounts: 0, cutsOfEnds: 0, operations: 0, fsyncs: 0 };
  #direct: DirectOverlay | undefined;
  readonly #work: RandomWork;
  readonly #materializeOnRead: boolean;

  /** @param materializeOnRead what is read is copied into the diff */
  constructor(disk: ForgetfulDisk, power: PowerSwitch, catalog: string, seed: number, materializeOnRead = false) {
    this.#disk = disk;
    this.#power = power;
    this.#catalog = catalog;
    this.#diff = `${disk.directory}/diff${seed}`;
    const random = seededRandom(seed);
    this.#below = (limit) => Math.floor(random() * limit);
    this.#materializeOnRead = materializeOnRead;
    this.#work = new RandomWork(
      workedOverlay(() => this.#direct!),
      this.#model,
      place,
      this.#below,
      {
        note: (step) => this.#note(step),
        fsyncs: () => this.#count.fsyncs++,
        isCut: () => disk.isCut,
      },
    );
  }

  /** Lives `count` times on. Ends at the first violation. */
  run(count: number): LivesReport {
    try {
      this.#makeDiff();
      for (let i = 0; i < count; i++) this.#live();
      return this.#count;
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      return { ...this.#count, violation: `${error.message}\n${this.#steps.slice(-200).join('\n')}` };
    } finally {
      this.#power.disarm();
      this.#disk.restart();
    }
  }

  /** As the mount process makes it before there is an overlay: durable. */
  #makeDiff(): void {
    mkdirSync(this.#diff);
    this.#disk.sync();
  }

  #live(): void {
    this.#count.lives++;
    this.#workOn();
    this.#disk.cut();
    this.#powerLoss();
  }

  /** Until the power goes, or everything was done. */
  #workOn(): void {
    const moment = this.#pick(['mount', 'work', 'work', 'work', 'end', 'end'] as const);
    if (moment === 'mount') this.#power.arm(1 + this.#below(40));
    if (!this.#mount('mount', false)) return;
    if (moment === 'work') this.#power.arm(1 + this.#below(150));
    for (let left = this.#below(40); left > 0; left--) {
      if (!this.#act(() => this.#work.step())) return;
    }
    if (moment === 'end') this.#power.arm(1 + this.#below(80));
    const end = this.#pick(['unmount', 'kill', 'power cut'] as const);
    if (end === 'unmount') this.#unmount();
    else if (end === 'kill') this.#kill();
  }

  #unmount(): void {
    this.#steps.push('unmount');
    this.#count.operations++;
    if (this.#act(() => this.#direct!.close())) {
      this.#nothingMayBeLost();
      this.#lookAgain('mount after unmount');
    } else {
      this.#count.cutsOfEnds++;
    }
  }

  #kill(): void {
    this.#count.kills++;
    this.#steps.push('kill');
    this.#direct!.kill();
    this.#lookAgain('mount after kill');
  }

  /** Mounts the diff of an ended mount: everything that was acknowledged is there, and durable by now. */
  #lookAgain(step: string): void {
    if (!this.#mount(step, false)) return;
    this.#nothingMayBeLost();
    this.#act(() => this.#compare(this.#model.objectionAfterKill(this.#tree())));
  }

  #nothingMayBeLost(): void {
    this.#model.settle(new Map([...this.#model.names].map(([path, entry]) => [path, found(entry)])));
  }

  /** The host starts again; a mount that comes up must show what the contract allows. */
  #powerLoss(): void {
    for (;;) {
      this.#steps.push('power cut');
      this.#count.powerCuts++;
      this.#power.disarm();
      this.#direct = undefined;
      this.#disk.restart();
      if (this.#below(4) === 0) this.#power.arm(1 + this.#below(60));
      if (!this.#mount('mount after power loss', true)) continue;
      this.#power.disarm();
      this.#act(() => {
        const tree = this.#tree();
        this.#compare(this.#model.objectionAfterPowerLoss(tree));
        this.#model.settle(tree);
      });
      this.#direct!.kill();
      return;
    }
  }

  /** @returns false when the power went meanwhile */
  #mount(step: string, afterPowerLoss: boolean): boolean {
    this.#steps.push(step);
    const materializeOnRead = this.#materializeOnRead;
    const options = { catalog: this.#catalog, diff: this.#diff, afterPowerLoss, materializeOnRead };
    const mounted = this.#act(() => {
      this.#direct = new DirectOverlay(options);
    });
    if (!mounted) this.#count.cutsOfMounts++;
    return mounted;
  }

  /** Does something that may fail only because the power has gone. @returns false when it has */
  #act(act: () => void): boolean {
    try {
      act();
    } catch (error) {
      if (error instanceof Violation) throw error;
      if (!this.#disk.isCut) {
        this.#steps.push(`failed: ${(error as Error).stack}`);
        throw new Violation((error as Error).message);
      }
    }
    return !this.#disk.isCut;
  }

  #compare(objection: string | undefined): void {
    if (objection !== undefined) throw new Violation(objection);
  }

  /** Everything below base and pg_wal. */
  #tree(): FoundTree {
    const direct = this.#direct!;
    const tree = new Map<string, { content: Buffer | null; mode: number }>();
    const walk = (directory: string): void => {
      for (const name of direct.readdir(directory).keys()) {
        const path = `${directory}/${name}`;
        const { mode } = direct.stat(path);
        const content = isDirectory(mode) ? null : direct.readAll(path);
        tree.set(path, { content, mode: mode & 0o7777 });
        if (content === null) walk(path);
      }
    };
    walk('base');
    walk('pg_wal');
    return tree;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  #note(step: string): void {
    this.#count.operations++;
    this.#steps.push(step);
  }
}

/** The overlay that lives at the moment, as what the work is done on. */
function workedOverlay(direct: () => DirectOverlay): WorkedTree {
  return {
    create: (path) => direct().create(path).close(),
    read: (path, position, length) => direct().read(path, position, length),
    write: (path, position, data) => void direct().write(path, position, data),
    truncate: (path, length) => direct().truncate(path, length),
    fsync: (path) => direct().fsync(path),
    fsyncdir: (path) => direct().fsyncdir(path),
    unlink: (path) => direct().unlink(path),
    chmod: (path, mode) => direct().chmod(path, mode),
    rename: (from, to, flags) => direct().rename(from, to, flags),
    mkdir: (path, mode) => direct().mkdir(path, mode),
    rmdir: (path) => direct().rmdir(path),
  };
}

function found({ file, mode }: Entry): { content: Buffer | null; mode: number } {
  return { content: file?.content ?? null, mode };
}
