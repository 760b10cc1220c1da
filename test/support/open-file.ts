// A file of a DirectOverlay that somebody holds open.

import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { SystemError } from '../../src/errors.js';
import type { AllocateMode } from '../../src/overlay/data/data-engine.js';
import type { Inode } from '../../src/overlay/namespace/inode.js';
import type { Attributes } from '../../src/overlay/shared/attributes.js';
import { rowKind, word } from '../../src/overlay/shared/row-layout.js';
import type { DirectOverlay } from './direct-overlay.js';

const CHUNK = 1 << 20;

export class OpenFile {
  readonly inode: Inode;
  readonly #direct: DirectOverlay;
  /** the object, where the kernel reads and writes it by itself */
  readonly #object: number | null = null;

  constructor(direct: DirectOverlay, inode: Inode) {
    this.#direct = direct;
    this.inode = inode;
    const { passthrough, objects } = direct.overlay;
    if (!passthrough.takes(inode)) return;
    passthrough.open(inode, true);
    this.#object = openSync(`${objects.directory}/${inode.objectId}`, 'r+');
  }

  read(position: number, length: number): Buffer {
    const { virtual, row, generation } = this.inode;
    if (virtual !== null) return Buffer.from(virtual.subarray(position, position + length));
    this.#mustBeFile();
    const out = Buffer.alloc(length, 0xee);
    if (this.#object !== null) return out.subarray(0, readSync(this.#object, out, 0, length, position));
    return out.subarray(0, this.#direct.engine.read(row, generation, position, length, out, 0));
  }

  readAll(): Buffer {
    const parts: Buffer[] = [];
    for (let position = 0; ; position += CHUNK) {
      const part = this.read(position, CHUNK);
      parts.push(part);
      if (part.length < CHUNK) return Buffer.concat(parts);
    }
  }

  write(position: number, data: Uint8Array): number {
    this.#mustBeFile();
    if (this.#object !== null) return writeSync(this.#object, data, 0, data.length, position);
    const { row, generation } = this.inode;
    return this.#direct.engine.write(row, generation, data, 0, data.length, position, false);
  }

  truncate(length: number): void {
    this.#mustBeFile();
    this.#direct.engine.truncate(this.inode.row, this.inode.generation, length, false);
  }

  fallocate(from: number, length: number, { keepSize = false, zero = false }: Partial<AllocateMode> = {}): void {
    this.#mustBeFile();
    this.#direct.engine.allocate(this.inode.row, this.inode.generation, from, length, {
      keepSize,
      zero,
      dropSetId: false,
    });
  }

  fsync(): void {
    this.#direct.engine.sync(this.inode.row, this.inode.generation);
  }

  stat(): Attributes {
    return { ...this.#direct.overlay.namespace.attributes(this.inode) };
  }

  close(): void {
    if (this.#object !== null) {
      closeSync(this.#object);
      this.#direct.overlay.passthrough.close(this.inode);
    }
    this.#direct.release(this);
  }

  #mustBeFile(): void {
    const { table } = this.#direct.shared;
    if (table.get(this.inode.row, word.kind) === rowKind.other) throw new SystemError('EPERM');
  }
}
