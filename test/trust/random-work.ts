// Random changes of files and names on an overlay or a mount, with a model that knows what a crash may leave of them.

import { RENAME_EXCHANGE } from '../support/direct-overlay.js';
import { CrashFile, type CrashModel, type Entry, type Names } from '../support/power-loss-model.js';
import { smallFiles } from '../support/small-catalog.js';

const BLOCK = 8192;
/** The modes of the made-up catalog. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** What the changes are made on. Paths are relative; everything throws like node:fs. */
export interface WorkedTree {
  create(path: string): void;
  read(path: string, position: number, length: number): Buffer;
  write(path: string, position: number, data: Buffer): void;
  truncate(path: string, length: number): void;
  fsync(path: string): void;
  fsyncdir(path: string): void;
  unlink(path: string): void;
  chmod(path: string, mode: number): void;
  rename(from: string, to: string, flags: number): void;
  mkdir(path: string, mode: number): void;
  rmdir(path: string): void;
}

/** Where the changes happen. */
export interface WorkPlace {
  readonly paths: readonly string[];
  /** directories that come, go and move, with what is in them */
  readonly directories: readonly string[];
}

export interface WorkEvents {
  /** A change begins. */
  note(step: string): void;
  fsyncs(): void;
  /** What has returned since then counts for nothing. */
  isCut(): boolean;
}

/** Bytes that are not what was written. */
export class Violation extends Error {}

export class RandomWork {
  readonly #tree: WorkedTree;
  readonly #model: CrashModel;
  readonly #place: WorkPlace;
  readonly #below: (limit: number) => number;
  readonly #events: WorkEvents;
  #fill = 0;

  constructor(
    tree: WorkedTree,
    model: CrashModel,
    place: WorkPlace,
    below: (limit: number) => number,
    events: WorkEvents,
  ) {
    this.#tree = tree;
    this.#model = model;
    this.#place = place;
    this.#below = below;
    this.#events = events;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  #length(): number {
    return this.#pick([this.#below(6) * BLOCK, this.#below(6) * BLOCK, this.#below(10) * 4096, this.#below(45_000)]);
  }

  /** One random operation that a POSIX file system would carry out; on the tree first, then on the model. */
  step(): void {
    const tree = this.#tree;
    const { names } = this.#model;
    const path = this.#pick(this.#place.paths);
    const file = names.get(path)?.file ?? null;
    const kind = this.#below(22);
    if (names.get(path) === undefined) {
      if (kind < 14) this.#create(path);
      else this.#changeDirectory(this.#pick(this.#place.directories));
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
        () => tree.write(path, position, data),
        () => (file.content = content),
      );
    } else if (kind < 9) {
      const length = this.#length();
      this.#note(`truncate ${path} to ${length}`);
      const content = Buffer.from(grown(file.content, length).subarray(0, length));
      this.#apply(
        () => tree.truncate(path, length),
        () => (file.content = content),
      );
    } else if (kind < 13) {
      this.#note(`fsync ${path}`);
      this.#events.fsyncs();
      tree.fsync(path);
      if (!this.#events.isCut()) this.#model.fileSynced(file);
    } else if (kind === 13) {
      this.#note('fsyncdir');
      tree.fsyncdir('base');
      if (!this.#events.isCut()) this.#model.namesSynced();
    } else if (kind === 14) {
      this.#note(`unlink ${path}`);
      this.#rename(
        () => tree.unlink(path),
        (after) => after.delete(path),
      );
    } else if (kind === 15) {
      const mode = this.#pick([0o600, 0o640, 0o4755]);
      this.#note(`chmod ${path} ${mode.toString(8)}`);
      this.#rename(
        () => tree.chmod(path, mode),
        (after) => {
          for (const [name, entry] of after) if (entry.file === file) after.set(name, { file, mode });
        },
      );
    } else if (kind === 16) {
      this.#changeDirectory(this.#pick(this.#place.directories));
    } else if (kind > 19) {
      this.#look(path, file);
    } else {
      this.#move(path, this.#pick(this.#place.paths), kind === 17 ? RENAME_EXCHANGE : 0);
    }
  }

  #look(path: string, { content }: CrashFile): void {
    const position = this.#below(content.length + 1);
    const got = this.#tree.read(path, position, 3 * BLOCK);
    if (this.#events.isCut() || got.equals(content.subarray(position, position + 3 * BLOCK))) return;
    const expected = content.subarray(position, position + 3 * BLOCK);
    const first = expected.findIndex((byte, i) => byte !== got[i]);
    throw new Violation(
      `${path} from ${position}: other bytes than were written, ${got.length} of ${expected.length}, the first at ${position + first}`,
    );
  }

  #create(path: string): void {
    if (!this.#hasParent(path)) return;
    this.#note(`create ${path}`);
    const entry = { file: new CrashFile(Buffer.alloc(0)), mode: FILE_MODE };
    this.#rename(
      () => this.#tree.create(path),
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
      () => this.#tree.rename(from, to, flags),
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
    const tree = this.#tree;
    const below = [...names].filter(([name]) => name.startsWith(`${path}/`));
    if (!names.has(path)) {
      this.#note(`mkdir ${path}`);
      const entry = { file: null, mode: DIRECTORY_MODE };
      this.#rename(
        () => tree.mkdir(path, DIRECTORY_MODE),
        (after) => after.set(path, entry),
      );
    } else if (below.length === 0 && this.#below(2) === 0) {
      this.#note(`rmdir ${path}`);
      this.#rename(
        () => tree.rmdir(path),
        (after) => after.delete(path),
      );
    } else {
      const to = this.#pick(this.#place.directories);
      if (names.has(to)) return;
      this.#note(`rename directory ${path} ${to}`);
      this.#rename(
        () => tree.rename(path, to, 0),
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
    this.#events.note(step);
  }
}

/** The names below base of the made-up catalog that lie in the place, with the directories they need. */
export function namesOfCatalog(place?: WorkPlace): Names {
  const names = new Map<string, Entry>();
  const isOurs = (path: string): boolean =>
    place === undefined || path === 'base/1' || place.paths.includes(path) || place.directories.includes(path);
  for (const directory of ['base/1', 'base/2', 'base/5'].filter(isOurs))
    names.set(directory, { file: null, mode: DIRECTORY_MODE });
  for (const [path, content] of smallFiles) {
    if (/^(base|pg_wal)\//.test(path) && isOurs(path))
      names.set(path, { file: new CrashFile(content), mode: FILE_MODE });
  }
  return names;
}

/** A copy with at least `length` bytes. */
function grown(content: Buffer, length: number): Buffer {
  const copy = Buffer.alloc(Math.max(length, content.length));
  content.copy(copy);
  return copy;
}
