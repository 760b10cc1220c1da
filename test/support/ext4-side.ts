// One of the two directories that random system calls are made on: a mount, and a plain ext4 directory with the same
// content. What it answers must agree.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import type { FallocateHow, Step } from './ext4-steps.js';

const fallocateArguments: Record<FallocateHow, string[]> = {
  extend: [],
  keep: ['-n'],
  punch: ['-p'],
  zero: ['-z'],
  zeroKeep: ['-z', '-n'],
};

const { O_RDONLY, O_RDWR } = fs.constants;

export class Side {
  readonly #root: Buffer;
  readonly #handles = new Map<number, number>();

  constructor(root: string) {
    this.#root = Buffer.from(`${root}/`);
  }

  /** Makes a step; what the caller saw, as text: a value, or the name of the error. */
  take(step: Step): string {
    try {
      return this.#take(step);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      return code;
    }
  }

  closeAll(): void {
    for (const fd of this.#handles.values()) fs.closeSync(fd);
    this.#handles.clear();
  }

  /** A line for everything below the root that ought to be the same on both sides. */
  tree(directory: string, lines: string[] = []): string[] {
    if (!fs.lstatSync(this.#path(directory), { throwIfNoEntry: false })?.isDirectory()) return lines;
    const names = fs.readdirSync(this.#path(directory), 'latin1').sort();
    for (const name of names) {
      const path = `${directory}/${name}`;
      lines.push(`${path} ${this.#describe(path)}`);
      if (fs.lstatSync(this.#path(path)).isDirectory()) this.tree(path, lines);
    }
    return lines;
  }

  #take(step: Step): string {
    switch (step.op) {
      case 'open': {
        const fd = fs.openSync(this.#path(step.path), step.flags, step.mode);
        this.#close(step.handle);
        this.#handles.set(step.handle, fd);
        return 'opened';
      }
      case 'close':
        return this.#close(step.handle) ? 'closed' : 'not open';
      case 'fstat':
        return this.#with(step.handle, (fd) => describeStat(fs.fstatSync(fd)));
      case 'fsync':
      case 'fdatasync':
        return this.#with(step.handle, (fd) => String(step.op === 'fsync' ? fs.fsyncSync(fd) : fs.fdatasyncSync(fd)));
      case 'pread':
        return this.#with(step.handle, (fd) => {
          const buffer = Buffer.alloc(step.length);
          const count = fs.readSync(fd, buffer, 0, step.length, step.position);
          return `${count} ${hash(buffer.subarray(0, count))}`;
        });
      case 'pwrite':
        return this.#with(step.handle, (fd) =>
          String(fs.writeSync(fd, pattern(step.length, step.fill), 0, step.length, step.position)),
        );
      case 'append':
        return this.#with(step.handle, (fd) => {
          const end = fs.fstatSync(fd).size;
          return String(fs.writeSync(fd, pattern(step.length, step.fill), 0, step.length, end));
        });
      case 'ftruncate':
        return this.#with(step.handle, (fd) => {
          fs.ftruncateSync(fd, step.length);
          return String(fs.fstatSync(fd).size);
        });
      case 'truncate':
        fs.truncateSync(this.#path(step.path), step.length);
        return this.#describe(step.path);
      case 'fallocate':
        return this.#fallocate(step.path, step.how, step.position, step.length);
      case 'unlink':
        fs.unlinkSync(this.#path(step.path));
        return 'done';
      case 'rmdir':
        fs.rmdirSync(this.#path(step.path));
        return 'done';
      case 'readdir':
        return fs.readdirSync(this.#path(step.path), 'latin1').sort().join();
      case 'lstat':
        return this.#describe(step.path);
      case 'readlink':
        return fs.readlinkSync(this.#path(step.path), 'latin1');
      case 'readFile':
        return hash(fs.readFileSync(this.#path(step.path)));
      case 'fsyncdir': {
        const fd = fs.openSync(this.#path(step.path), O_RDONLY);
        try {
          fs.fsyncSync(fd);
        } finally {
          fs.closeSync(fd);
        }
        return 'done';
      }
      case 'mkdir':
        fs.mkdirSync(this.#path(step.path), step.mode);
        return this.#describe(step.path);
      case 'chmod':
        fs.chmodSync(this.#path(step.path), step.mode);
        return this.#describe(step.path);
      case 'chown':
        fs.lchownSync(this.#path(step.path), step.uid, step.gid);
        return this.#describe(step.path);
      case 'utimes': {
        fs.utimesSync(this.#path(step.path), step.atime, step.mtime);
        const { mtimeMs } = fs.statSync(this.#path(step.path));
        return `${this.#describe(step.path)} ${mtimeMs}`;
      }
      case 'symlink':
        fs.symlinkSync(step.target, this.#path(step.path));
        return this.#describe(step.path);
      case 'rename':
        fs.renameSync(this.#path(step.path), this.#path(step.to));
        return this.#describe(step.to);
      case 'link':
        fs.linkSync(this.#path(step.path), this.#path(step.to));
        return this.#describe(step.path);
      case 'copy':
        // What copying a directory makes of it depends on st_size, which says nothing about directories.
        if (!fs.statSync(this.#path(step.path)).isFile()) return 'not a file';
        fs.copyFileSync(this.#path(step.path), this.#path(step.to));
        return this.#describe(step.to);
      default:
        return '';
    }
  }

  #path(path: string): Buffer {
    return Buffer.concat([this.#root, Buffer.from(path, 'latin1')]);
  }

  #with(handle: number, run: (fd: number) => string): string {
    const fd = this.#handles.get(handle);
    return fd === undefined ? 'not open' : run(fd);
  }

  #close(handle: number): boolean {
    const fd = this.#handles.get(handle);
    if (fd === undefined) return false;
    this.#handles.delete(handle);
    fs.closeSync(fd);
    return true;
  }

  /** By the program, on an open file: Node has no such call. */
  #fallocate(path: string, how: FallocateHow, position: number, length: number): string {
    const fd = fs.openSync(this.#path(path), O_RDWR);
    try {
      const options = [...fallocateArguments[how], '-o', String(position), '-l', String(length), '/dev/fd/3'];
      const { status } = spawnSync('fallocate', options, { stdio: ['ignore', 'ignore', 'ignore', fd] });
      return `${status} ${this.#describe(path)}`;
    } finally {
      fs.closeSync(fd);
    }
  }

  #describe(path: string): string {
    const stat = fs.lstatSync(this.#path(path));
    const line = describeStat(stat);
    if (stat.isSymbolicLink()) return `${line} -> ${fs.readlinkSync(this.#path(path), 'latin1')}`;
    return stat.isFile() ? `${line} ${hash(fs.readFileSync(this.#path(path)))}` : line;
  }
}

function describeStat(stat: fs.Stats): string {
  const size = stat.isDirectory() ? '-' : stat.size;
  return `${stat.mode.toString(8)} ${stat.nlink} ${stat.uid}:${stat.gid} ${size}`;
}

function hash(data: Uint8Array): string {
  return createHash('md5').update(data).digest('base64');
}

/** Bytes that tell where they belong. */
function pattern(length: number, fill: number): Buffer {
  const data = Buffer.alloc(length);
  for (let i = 0; i < length; i++) data[i] = fill + (i >> 5);
  return data;
}
