// What a file system must do, in memory and in the simplest way: the reference that random operations run against.

import { SystemError } from '../../src/errors.js';

export class ModelFile {
  data: Buffer;
  links = 1;
  /** content was changed since the last fsync */
  dirty = false;

  constructor(data: Buffer) {
    this.data = data;
  }

  write(position: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#reach(position + bytes.length);
    this.data.set(bytes, position);
    this.dirty = true;
  }

  truncate(length: number): void {
    if (length <= this.data.length) this.data = Buffer.from(this.data.subarray(0, length));
    else this.#reach(length);
    this.dirty = true;
  }

  allocate(from: number, length: number, keepSize: boolean, zero: boolean): void {
    if (zero) this.data.fill(0, Math.min(from, this.data.length), Math.min(from + length, this.data.length));
    if (!keepSize) this.#reach(from + length);
    this.dirty = true;
  }

  #reach(length: number): void {
    if (length > this.data.length) this.data = Buffer.concat([this.data, Buffer.alloc(length - this.data.length)]);
  }
}

export class ModelDirectory {
  readonly entries = new Map<string, ModelNode>();
}

export type ModelNode = ModelFile | ModelDirectory;

export class Model {
  readonly root = new ModelDirectory();

  /** @param files by path; their directories are made */
  constructor(files: Iterable<readonly [string, Buffer]>, directories: readonly string[]) {
    for (const path of directories) this.#directory(path, true);
    for (const [path, data] of files) {
      const [directory, name] = this.#split(path, true);
      directory.entries.set(name, new ModelFile(Buffer.from(data)));
    }
  }

  file(path: string): ModelFile {
    const node = this.#node(path);
    if (node instanceof ModelDirectory) throw new SystemError('EISDIR');
    return node;
  }

  has(path: string): boolean {
    try {
      this.#node(path);
      return true;
    } catch {
      return false;
    }
  }

  create(path: string): ModelFile {
    const [directory, name] = this.#split(path);
    if (directory.entries.has(name)) throw new SystemError('EEXIST');
    const file = new ModelFile(Buffer.alloc(0));
    directory.entries.set(name, file);
    return file;
  }

  mkdir(path: string): void {
    const [directory, name] = this.#split(path);
    if (directory.entries.has(name)) throw new SystemError('EEXIST');
    directory.entries.set(name, new ModelDirectory());
  }

  rmdir(path: string): void {
    const [directory, name] = this.#split(path);
    const node = directory.entries.get(name);
    if (node === undefined) throw new SystemError('ENOENT');
    if (node instanceof ModelFile) throw new SystemError('ENOTDIR');
    if (node.entries.size > 0) throw new SystemError('ENOTEMPTY');
    directory.entries.delete(name);
  }

  unlink(path: string): void {
    const [directory, name] = this.#split(path);
    const node = directory.entries.get(name);
    if (node === undefined) throw new SystemError('ENOENT');
    if (node instanceof ModelDirectory) throw new SystemError('EISDIR');
    directory.entries.delete(name);
    node.links--;
  }

  link(existing: string, path: string): void {
    const node = this.#node(existing);
    const [directory, name] = this.#split(path);
    if (node instanceof ModelDirectory) throw new SystemError('EPERM');
    if (directory.entries.has(name)) throw new SystemError('EEXIST');
    directory.entries.set(name, node);
    node.links++;
  }

  rename(from: string, to: string, how: 'replace' | 'noreplace' | 'exchange'): void {
    if (to.startsWith(`${from}/`)) throw new SystemError('EINVAL');
    if (from.startsWith(`${to}/`)) throw new SystemError(how === 'exchange' ? 'EINVAL' : 'ENOTEMPTY');
    const [oldDirectory, oldName] = this.#split(from);
    const [newDirectory, newName] = this.#split(to);
    const node = oldDirectory.entries.get(oldName);
    if (node === undefined) throw new SystemError('ENOENT');
    const replaced = newDirectory.entries.get(newName);
    if (how === 'exchange') {
      if (replaced === undefined) throw new SystemError('ENOENT');
      newDirectory.entries.set(newName, node);
      oldDirectory.entries.set(oldName, replaced);
      return;
    }
    if (replaced !== undefined) {
      if (how === 'noreplace') throw new SystemError('EEXIST');
      if (replaced === node) return;
      if (node instanceof ModelDirectory && replaced instanceof ModelFile) throw new SystemError('ENOTDIR');
      if (node instanceof ModelFile && replaced instanceof ModelDirectory) throw new SystemError('EISDIR');
      if (replaced instanceof ModelDirectory && replaced.entries.size > 0) throw new SystemError('ENOTEMPTY');
      if (replaced instanceof ModelFile) replaced.links--;
    }
    oldDirectory.entries.delete(oldName);
    newDirectory.entries.set(newName, node);
  }

  /** Every name with what it leads to, parents first; the root is ''. */
  *walk(path = '', directory = this.root): Generator<[string, ModelNode]> {
    yield [path, directory];
    for (const [name, node] of directory.entries) {
      const child = path === '' ? name : `${path}/${name}`;
      if (node instanceof ModelDirectory) yield* this.walk(child, node);
      else yield [child, node];
    }
  }

  #node(path: string): ModelNode {
    if (path === '') return this.root;
    const [directory, name] = this.#split(path);
    const node = directory.entries.get(name);
    if (node === undefined) throw new SystemError('ENOENT');
    return node;
  }

  #split(path: string, make = false): [ModelDirectory, string] {
    const slash = path.lastIndexOf('/');
    return [slash < 0 ? this.root : this.#directory(path.slice(0, slash), make), path.slice(slash + 1)];
  }

  #directory(path: string, make: boolean): ModelDirectory {
    let directory = this.root;
    for (const step of path.split('/')) {
      let next = directory.entries.get(step);
      if (next === undefined && make) {
        next = new ModelDirectory();
        directory.entries.set(step, next);
      }
      if (next === undefined) throw new SystemError('ENOENT');
      if (next instanceof ModelFile) throw new SystemError('ENOTDIR');
      directory = next;
    }
    return directory;
  }
}
