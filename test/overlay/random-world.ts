// An overlay and a model of it in memory, which do the same and must show the same.

import { readdirSync, statSync } from 'node:fs';
import { DirectOverlay, isDirectory } from '../support/direct-overlay.js';
import type { OpenFile } from '../support/open-file.js';
import { Model, ModelDirectory, ModelFile } from '../support/overlay-model.js';
import { smallFiles } from '../support/small-catalog.js';
import type { Operation } from './random-steps.js';

const spaceLink = 'pg_tblspc/16385';
const baseFiles = [...smallFiles].filter(([path]) => !path.startsWith(spaceLink));
const baseDirectories = ['base', 'base/1', 'base/2', 'base/5', 'global', 'pg_wal'];

interface Slot {
  file: OpenFile;
  model: ModelFile;
  path: string;
}

export class World {
  readonly model = new Model(baseFiles, baseDirectories);
  direct: DirectOverlay;
  readonly slots: (Slot | undefined)[] = [];
  readonly #catalog: string;
  readonly #diff: string;
  readonly #passthrough: boolean;
  /** whether the kernel keeps what it knows */
  #keep = false;
  steps = 0;

  /** @param catalog the small one @param passthrough what is written to files made on the mount goes past the overlay */
  constructor(catalog: string, diff: string, passthrough = false) {
    this.#catalog = catalog;
    this.#diff = diff;
    this.#passthrough = passthrough;
    this.direct = this.#mount(false);
  }

  run(step: Operation): unknown {
    this.steps++;
    // As the namespace thread does between requests.
    this.direct.overlay.compactJournal();
    switch (step.op) {
      case 'read':
        return this.#both(
          () => this.#without(() => this.direct.read(step.path, step.position, step.length)),
          () => this.model.file(step.path).data.subarray(step.position, step.position + step.length),
        );
      case 'write':
        return this.#both(
          () => this.direct.write(step.path, step.position, pattern(step)),
          () => {
            this.model.file(step.path).write(step.position, pattern(step));
            return step.length;
          },
        );
      case 'truncate':
        return this.#both(
          () => this.direct.truncate(step.path, step.length),
          () => this.model.file(step.path).truncate(step.length),
        );
      case 'fallocate':
        return this.#fallocate(step);
      case 'create':
        return this.#both(
          () => this.direct.create(step.path).close(),
          () => void this.model.create(step.path),
        );
      case 'make':
        return this.#make(step);
      case 'unlink':
        return this.#both(
          () => this.direct.unlink(step.path),
          () => this.model.unlink(step.path),
        );
      case 'link':
        return this.#both(
          () => this.direct.link(step.path, step.to),
          () => this.model.link(step.path, step.to),
        );
      case 'rename':
        return this.#both(
          () => this.direct.rename(step.path, step.to, { replace: 0, noreplace: 1, exchange: 2 }[step.how]),
          () => this.model.rename(step.path, step.to, step.how),
        );
      case 'mkdir':
        return this.#both(
          () => this.direct.mkdir(step.path),
          () => this.model.mkdir(step.path),
        );
      case 'rmdir':
        return this.#both(
          () => this.direct.rmdir(step.path),
          () => this.model.rmdir(step.path),
        );
      case 'fsync':
        return this.#both(
          () => this.direct.fsync(step.path),
          () => {
            this.model.file(step.path).dirty = false;
          },
        );
      case 'open':
        this.#close(step.slot);
        return this.#both(
          () => {
            const { path } = step;
            this.slots[step.slot] = { file: this.direct.open(path), model: this.model.file(path), path };
          },
          () => void this.model.file(step.path),
        );
      case 'cache':
        this.#keep = step.keep;
        this.direct.keepInodes = step.keep;
        this.direct.dropCaches();
        return;
      case 'compare':
        return this.compare();
      case 'remount':
        return this.remount(step.forgets);
      case 'kill':
        return this.#kill(false);
      case 'powerLoss':
        return this.#kill(true);
      default:
        return this.#onOpen(step);
    }
  }

  remount(forgets = true): void {
    for (const at of [0, 1, 2]) this.#close(at);
    this.direct.close(forgets);
    for (const [, node] of this.model.walk()) if (node instanceof ModelFile) node.dirty = false;
    this.direct = this.#mount(false);
    this.compare();
  }

  /** Whole comparison: names, kinds, sizes, link counts, identities and contents. */
  compare(): void {
    this.#without(() => {
      const numbers = new Map<ModelFile, number>();
      const seen = new Map<number, ModelFile>();
      for (const [path, node] of this.model.walk()) {
        const stat = this.direct.stat(path);
        if (node instanceof ModelDirectory) {
          check(isDirectory(stat.mode), `${path} is a directory`);
          const names = [...node.entries.keys(), ...(path === '' ? ['pg_tblspc'] : [])].sort();
          const listed = this.direct.readdir(path);
          equal([...listed.keys()].join(), names.join(), `names in /${path}`);
          const below = [...node.entries.values()].filter((entry) => entry instanceof ModelDirectory).length;
          equal(stat.nlink, 2 + below + (path === '' ? 1 : 0), `st_nlink of /${path}`);
          for (const [name, ino] of listed) {
            equal(ino, this.direct.stat(path === '' ? name : `${path}/${name}`).ino, `d_ino of ${path}/${name}`);
          }
          continue;
        }
        equal(stat.size, node.data.length, `size of ${path}`);
        equal(stat.nlink, node.links, `st_nlink of ${path}`);
        equal(numbers.get(node) ?? stat.ino, stat.ino, `${path} is one inode with its other names`);
        check((seen.get(stat.ino) ?? node) === node, `${path} shares its inode number with another file`);
        numbers.set(node, stat.ino);
        seen.set(stat.ino, node);
        same(this.direct.readAll(path), node.data, path);
      }
    });
  }

  #mount(afterPowerLoss: boolean): DirectOverlay {
    // So short that most sequences see the journal rewritten under them.
    const shared = { catalog: this.#catalog, diff: this.#diff, passthrough: this.#passthrough };
    const direct = new DirectOverlay({ ...shared, afterPowerLoss, compactJournalFrom: 1000 });
    direct.keepInodes = this.#keep;
    return direct;
  }

  #kill(powerLoss: boolean): void {
    this.slots.length = 0;
    this.direct.kill();
    this.direct = this.#mount(powerLoss);
    if (powerLoss) this.#adopt();
    this.compare();
    // A predecessor's state is settled and durable now.
    for (const [, node] of this.model.walk()) if (node instanceof ModelFile) node.dirty = false;
  }

  /** After a power loss a file that was not synced may have other content; what was synced may not. */
  #adopt(): void {
    for (const [path, node] of this.model.walk()) {
      if (node instanceof ModelFile && node.dirty) node.data = this.direct.readAll(path);
    }
  }

  /** A new file with content; what the name led to, if it led to a file, is gone. */
  #make(step: Extract<Operation, { op: 'make' }>): void {
    const { path, position } = step;
    this.#both(
      () => {
        if (this.direct.exists(path)) this.direct.unlink(path);
        const file = this.direct.create(path);
        try {
          return file.write(position, pattern(step));
        } finally {
          file.close();
        }
      },
      () => {
        if (this.model.has(path)) this.model.unlink(path);
        this.model.create(path).write(position, pattern(step));
        return step.length;
      },
    );
  }

  #fallocate(step: Extract<Operation, { op: 'fallocate' }>): void {
    if (step.length === 0) return;
    const keepSize = step.how === 'punch' || step.how === 'keep';
    const zero = step.how === 'punch' || step.how === 'zero';
    this.#both(
      () => this.direct.fallocate(step.path, step.position, step.length, { keepSize, zero }),
      () => this.model.file(step.path).allocate(step.position, step.length, keepSize, zero),
    );
  }

  #onOpen(step: Extract<Operation, { slot: number }>): void {
    const open = this.slots[step.slot];
    if (open === undefined) return;
    const { file, model, path } = open;
    switch (step.op) {
      case 'writeOpen':
        equal(file.write(step.position, pattern(step)), step.length, 'bytes written');
        model.write(step.position, pattern(step));
        break;
      case 'truncateOpen':
        file.truncate(step.length);
        model.truncate(step.length);
        break;
      case 'readOpen':
        same(file.readAll(), model.data, 'open file');
        break;
      case 'fsyncOpen':
        file.fsync();
        model.dirty = false;
        break;
      case 'unlinkOpen':
        // Unless the name leads elsewhere by now.
        if (model.links === 0 || !this.model.has(path) || this.direct.stat(path).ino !== file.stat().ino) return;
        this.direct.unlink(path);
        this.model.unlink(path);
        // Whatever is not needed any more goes now.
        this.direct.dropCaches();
        same(file.readAll(), model.data, 'a file without this name');
        break;
      case 'closeOpen':
        this.#close(step.slot);
        return;
    }
    const stat = file.stat();
    equal(stat.size, model.data.length, 'size of an open file');
    equal(stat.nlink, model.links, 'st_nlink of an open file');
  }

  #close(at: number): void {
    this.slots[at]?.file.close();
    this.slots[at] = undefined;
  }

  /** Runs an operation on both sides: the same result, or the same error. */
  #both(real: () => unknown, model: () => unknown): void {
    const wanted = outcome(model);
    const got = outcome(real);
    if (wanted.error !== undefined || got.error !== undefined) equal(got.error, wanted.error, 'error');
    else if (Buffer.isBuffer(wanted.value)) same(got.value as Buffer, wanted.value, 'bytes read');
    else equal(got.value, wanted.value, 'result');
  }

  /** Reading must not change the diff; but opening an empty file makes its object where the kernel is given it. */
  #without<T>(act: () => T): T {
    const before = this.#fingerprint();
    const result = act();
    equal(this.#fingerprint(), before, 'diff before and after reading');
    return result;
  }

  #fingerprint(): string {
    const objects = readdirSync(`${this.#diff}/objects`).map((name) => {
      const { size, blocks } = statSync(`${this.#diff}/objects/${name}`);
      return this.#passthrough && size === 0 ? '' : `${name} ${size} ${blocks}`;
    });
    return `${statSync(`${this.#diff}/journal`).size} ${objects.sort().join(' ').trim()}`;
  }
}

function pattern({ position, length, fill }: { position: number; length: number; fill: number }): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = ((position + i) % 251) ^ fill;
  return bytes;
}

function outcome(act: () => unknown): { value?: unknown; error?: string } {
  try {
    return { value: act() };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined || !/^E[A-Z]+$/.test(code)) throw error;
    return { error: code };
  }
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`not so: ${what}`);
}

function equal(got: unknown, wanted: unknown, what: string): void {
  if (got !== wanted) throw new Error(`${what}: ${String(got)}, not ${String(wanted)}`);
}

function same(got: Buffer, wanted: Buffer, what: string): void {
  equal(got.length, wanted.length, `length of ${what}`);
  if (got.equals(wanted)) return;
  const at = got.findIndex((byte, i) => byte !== wanted[i]);
  throw new Error(`${what} differs at byte ${at} (block ${Math.floor(at / 8192)}): ${got[at]}, not ${wanted[at]}`);
}
