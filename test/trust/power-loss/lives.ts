// Lives of one diff on a disk that forgets: random operations on the overlay, a power cut or kill at some moment between
// two system calls (also of mounting and of the clean end), a new mount, and the question whether the contract allows
// what it finds.

import { mkdirSync } from 'node:fs';
import { DirectOverlay, isDirectory, RENAME_EXCHANGE } from '../../support/direct-overlay.js';
import { seededRandom } from '../../support/ext4-model.js';
import type { ForgetfulDisk } from '../../support/forgetful-disk.js';
import { CrashFile, CrashModel, type Entry, type FoundTree, type Names } from '../../support/power-loss-model.js';
import type { PowerSwitch } from '../../support/power-switch.js';
import { smallFiles } from '../../support/small-catalog.js';

const BLOCK = 8192;
const paths = [
  ...['base/1/100', 'base/1/100', 'base/1/101', 'base/1/raw', 'base/1/small', 'base/2/200'],
  ...['base/1/new', 'base/2/new', 'pg_wal/1', 'pg_wal/2', 'base/3/new', 'base/3/100'],
];
const directories = ['base/2', 'base/3', 'base/5'];
/** The modes of the made-up catalog. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

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
  #fill = 0;

  constructor(disk: ForgetfulDisk, power: PowerSwitch, catalog: string, seed: number) {
    this.#disk = disk;
    this.#power = power;
    this.#catalog = catalog;
    this.#diff = `${disk.directory}/diff${seed}`;
    const random = seededRandom(seed);
    this.#below = (limit) => Math.floor(random() * limit);
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
    this.#work();
    this.#disk.cut();
    this.#powerLoss();
  }

  /** Until the power goes, or everything was done. */
  #work(): void {
    const moment = this.#pick(['mount', 'work', 'work', 'work', 'end', 'end'] as const);
    if (moment === 'mount') this.#power.arm(1 + this.#below(40));
    if (!this.#mount('mount', false)) return;
    if (moment === 'work') this.#power.arm(1 + this.#below(150));
    for (let left = this.#below(40); left > 0; left--) {
      if (!this.#act(() => this.#operation())) return;
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
    const options = { catalog: this.#catalog, diff: this.#diff, afterPowerLoss };
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

  #length(): number {
    return this.#pick([this.#below(6) * BLOCK, this.#below(6) * BLOCK, this.#below(10) * 4096, this.#below(45_000)]);
  }

  /** One random operation that a POSIX file system would carry out; on the overlay first, then on the model. */
  #operation(): void {
    const direct = this.#direct!;
    const { names } = this.#model;
    const path = this.#pick(paths);
    const file = names.get(path)?.file ?? null;
    const kind = this.#below(20);
    if (names.get(path) === undefined) {
      if (kind < 14) this.#create(path);
      else this.#changeDirectory(this.#pick(directories));
      return;
    }
    if (file === null) return;
    if (kind < 7) {
      const position = this.#length();
      const data = Buffer.alloc(1 + this.#below(kind < 3 ? 2 * BLOCK : 600), 1 + (this.#fill++ % 255));
      this.#note(`write ${path} ${position}+${data.length} ${data.toString('hex', 0, 1)} of ${file.content.length}`);
      const content = grown(file.content, position + data.length);
      content.set(data, position);
      this.#apply(
        () => direct.write(path, position, data),
        () => (file.content = content),
      );
    } else if (kind < 9) {
      const length = this.#length();
      this.#note(`truncate ${path} to ${length}`);
      const content = Buffer.from(grown(file.content, length).subarray(0, length));
      this.#apply(
        () => direct.truncate(path, length),
        () => (file.content = content),
      );
    } else if (kind < 13) {
      this.#note(`fsync ${path}`);
      this.#count.fsyncs++;
      direct.fsync(path);
      if (!this.#disk.isCut) this.#model.fileSynced(file);
    } else if (kind === 13) {
      this.#note('fsyncdir');
      direct.fsyncdir('base');
      if (!this.#disk.isCut) this.#model.namesSynced();
    } else if (kind === 14) {
      this.#note(`unlink ${path}`);
      this.#rename(
        () => direct.unlink(path),
        (after) => after.delete(path),
      );
    } else if (kind === 15) {
      const mode = this.#pick([0o600, 0o640, 0o4755]);
      this.#note(`chmod ${path} ${mode.toString(8)}`);
      this.#rename(
        () => direct.chmod(path, mode),
        (after) => {
          for (const [name, entry] of after) if (entry.file === file) after.set(name, { file, mode });
        },
      );
    } else if (kind === 16) {
      this.#changeDirectory(this.#pick(directories));
    } else {
      this.#move(path, this.#pick(paths), kind === 17 ? RENAME_EXCHANGE : 0);
    }
  }

  #create(path: string): void {
    if (!this.#hasParent(path)) return;
    this.#note(`create ${path}`);
    const entry = { file: new CrashFile(Buffer.alloc(0)), mode: FILE_MODE };
    this.#rename(
      () => this.#direct!.create(path).close(),
      (after) => after.set(path, entry),
    );
  }

  #move(from: string, to: string, flags: number): void {
    const { names } = this.#model;
    const [source, target] = [names.get(from)!, names.get(to)];
    const exchange = flags === RENAME_EXCHANGE;
    if (!this.#hasParent(to) || source.file === target?.file || (exchange && target === undefined)) return;
    this.#note(`${exchange ? 'exchange' : 'rename'} ${from} ${to}`);
    this.#rename(
      () => this.#direct!.rename(from, to, flags),
      (after) => {
        after.set(to, source);
        if (exchange) after.set(from, target!);
        else after.delete(from);
      },
    );
  }

  /** Makes it, or moves it with all that is below, or removes it. */
  #changeDirectory(path: string): void {
    const { names } = this.#model;
    const direct = this.#direct!;
    const below = [...names].filter(([name]) => name.startsWith(`${path}/`));
    if (!names.has(path)) {
      this.#note(`mkdir ${path}`);
      const entry = { file: null, mode: DIRECTORY_MODE };
      this.#rename(
        () => direct.mkdir(path, DIRECTORY_MODE),
        (after) => after.set(path, entry),
      );
    } else if (below.length === 0 && this.#below(2) === 0) {
      this.#note(`rmdir ${path}`);
      this.#rename(
        () => direct.rmdir(path),
        (after) => after.delete(path),
      );
    } else {
      const to = this.#pick(directories);
      if (names.has(to)) return;
      this.#note(`rename directory ${path} ${to}`);
      this.#rename(
        () => direct.rename(path, to),
        (after) => {
          after.set(to, after.get(path)!);
          after.delete(path);
          for (const [name, entry] of below) {
            after.set(`${to}${name.slice(path.length)}`, entry);
            after.delete(name);
          }
        },
      );
    }
  }

  #hasParent(path: string): boolean {
    const parent = path.slice(0, path.lastIndexOf('/'));
    return parent === 'pg_wal' || this.#model.names.has(parent);
  }

  /** A change of names: one step, before or after it and nothing between. */
  #rename(act: () => void, change: (after: Map<string, Entry>) => unknown): void {
    const after = new Map(this.#model.names);
    change(after);
    this.#apply(act, () => (this.#model.names = after));
  }

  /** The model changes also when the operation was cut off: it may have happened, or not. */
  #apply(act: () => unknown, change: () => unknown): void {
    try {
      act();
    } finally {
      change();
    }
  }

  #note(step: string): void {
    this.#count.operations++;
    this.#steps.push(step);
  }
}

class Violation extends Error {}

function namesOfCatalog(): Names {
  const names = new Map<string, Entry>();
  for (const directory of ['base/1', 'base/2', 'base/5']) names.set(directory, { file: null, mode: DIRECTORY_MODE });
  for (const [path, content] of smallFiles) {
    if (path.startsWith('base/')) names.set(path, { file: new CrashFile(content), mode: FILE_MODE });
  }
  return names;
}

function found({ file, mode }: Entry): { content: Buffer | null; mode: number } {
  return { content: file?.content ?? null, mode };
}

/** A copy with at least `length` bytes. */
function grown(content: Buffer, length: number): Buffer {
  const copy = Buffer.alloc(Math.max(length, content.length));
  content.copy(copy);
  return copy;
}
