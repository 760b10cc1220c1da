// A disk in memory that knows what is synced, so that tests can kill the process or cut the power at any storage call.
//
// A file has the content every process sees ("now") and the content the platter holds ("durable"). A power cut leaves,
// per file, one of several mixtures of the two (simulated-content.ts), and the names of a directory either as they are
// now or as they were when it was last synced. A clone of the whole disk is a few pointers.

import type { DiffStorage, OpenMode } from '../../../src/overlay/diff/storage.js';
import {
  type Content,
  type Cut,
  contentKey,
  cutContent,
  empty,
  type Inode,
  PAGE,
  type Page,
  pageAt,
  resized,
  written,
} from './simulated-content.js';

/** Thrown by every storage call once the process is dead. One object: a stack for each of a million kills is dear. */
export const killed = new Error('the process is dead');

/** How the next calls that change something end. `at` counts them from 0. */
export type Fault =
  | { readonly kind: 'kill'; readonly at: number }
  | {
      readonly kind: 'error';
      readonly at: number;
      readonly code: string;
      readonly half: boolean;
      readonly lasting: boolean;
    };

/** Another name for a page of a file, or undefined. */
export type PageNamer = (path: string, index: number, page: Page) => string | undefined;

export class SimulatedDisk implements DiffStorage {
  #inodes: Inode[] = [];
  #names = new Map<string, number>();
  #durableNames = new Map<string, number>();
  #open = new Map<number, number>();
  #nextFd = 3;
  #fault: Fault | undefined;
  #dead = false;
  /** Calls that change something, since the fault was set. */
  calls = 0;
  /** Called before each such call with its number; lets a test run something else in between. */
  before: ((call: number) => void) | undefined;

  clone(): SimulatedDisk {
    const copy = new SimulatedDisk();
    copy.#inodes = [...this.#inodes];
    copy.#names = new Map(this.#names);
    copy.#durableNames = new Map(this.#durableNames);
    copy.#open = new Map(this.#open);
    copy.#nextFd = this.#nextFd;
    return copy;
  }

  setFault(fault: Fault | undefined): void {
    this.#fault = fault;
    this.calls = 0;
  }

  /** The process dies: its descriptors are gone, the page cache is not. */
  kill(): void {
    this.#open.clear();
    this.#fault = undefined;
    this.#dead = false;
  }

  /** The host dies. `cutOf` says what is left of a file, `keepNames` whether un-synced names are. */
  powerCut(cutOf: (name: string) => Cut, keepNames: boolean): void {
    this.kill();
    const names = keepNames ? this.#names : this.#durableNames;
    const inodes: Inode[] = [];
    const left = new Map<string, number>();
    for (const [name, number] of names) {
      const content = cutContent(this.#inodes[number], cutOf(name));
      left.set(name, inodes.length);
      inodes.push({ durable: content, now: content, low: content.size, first: [] });
    }
    this.#inodes = inodes;
    this.#names = left;
    this.#durableNames = new Map(left);
  }

  /** Of these cuts, those that leave different contents of the file. */
  distinctCuts(path: string, candidates: readonly Cut[]): Cut[] {
    const number = this.#names.get(path);
    if (number === undefined) return ['kept'];
    const inode = this.#inodes[number];
    if (inode.durable === inode.now) return ['kept'];
    const seen = new Set<string>();
    return candidates.filter((cut) => {
      const key = contentKey(cutContent(inode, cut));
      return !seen.has(key) && seen.add(key);
    });
  }

  /** Equal for disks that can no longer be told apart. `nameOf` names a file's pages where their id says too much. */
  key(nameOf?: PageNamer): string {
    let key = '';
    for (const [name, number] of this.#names) {
      const { durable, now, low, first } = this.#inodes[number];
      const pageKey = (page: Page | undefined, index: number): string =>
        page === undefined ? ',' : `${nameOf?.(name, index, page) ?? page.id},`;
      const content = ({ size, pages }: Content): string => `${size}:${pages.map(pageKey).join('')}`;
      key += `${name}=${content(now)}`;
      if (durable !== now) key += `|${content(durable)}|${low}|${first.map(pageKey).join('')}`;
      key += this.#durableNames.has(name) ? ';' : '?';
    }
    return key;
  }

  /** Whether a power cut could leave different names than a kill. */
  get namesSynced(): boolean {
    return (
      [...this.#names].every(([name, number]) => this.#durableNames.get(name) === number) &&
      this.#names.size === this.#durableNames.size
    );
  }

  pathOf(fd: number): string {
    const number = this.#number(fd);
    for (const [name, at] of this.#names) if (at === number) return name;
    return '';
  }

  has(path: string): boolean {
    return this.#names.has(path);
  }

  open(path: string, mode: OpenMode): number {
    this.#alive();
    let number = this.#names.get(path);
    if (mode === 'create') {
      if (number !== undefined) throw systemError('EEXIST');
      this.#whole();
      number = this.#inodes.push({ durable: empty, now: empty, low: 0, first: [] }) - 1;
      this.#names.set(path, number);
    }
    if (number === undefined) throw systemError('ENOENT');
    this.#open.set(this.#nextFd, number);
    return this.#nextFd++;
  }

  pread(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
    this.#alive();
    const { now } = this.#inode(fd);
    const count = Math.max(0, Math.min(length, now.size - position));
    for (let done = 0; done < count; ) {
      const at = position + done;
      const inPage = at % PAGE;
      const step = Math.min(count - done, PAGE - inPage);
      buffer.set(pageAt(now, Math.floor(at / PAGE)).bytes.subarray(inPage, inPage + step), offset + done);
      done += step;
    }
    return count;
  }

  pwrite(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
    const half = this.#step();
    const count = half === undefined ? length : halfOf(length);
    if (count > 0) this.#write(fd, buffer.subarray(offset, offset + count), position);
    if (half !== undefined) throw half;
    return count;
  }

  ftruncate(fd: number, length: number): void {
    this.#whole();
    if (length === this.#inode(fd).now.size) return;
    this.#change(fd, resized(this.#inode(fd).now, length));
  }

  allocate(fd: number, from: number, to: number): void {
    const half = this.#step();
    const end = half === undefined ? to : from + Math.floor((to - from) / 2);
    if (end > this.#inode(fd).now.size) this.#change(fd, resized(this.#inode(fd).now, end));
    if (half !== undefined) throw half;
  }

  punch(fd: number, from: number, to: number): boolean {
    const half = this.#step();
    this.#write(fd, new Uint8Array(half === undefined ? to - from : halfOf(to - from)), from);
    if (half !== undefined) throw half;
    return true;
  }

  /** Changes nothing that anybody could see. */
  reserve(): void {}

  fdatasync(fd: number): void {
    this.#whole();
    const { now } = this.#inode(fd);
    this.#inodes[this.#number(fd)] = { durable: now, now, low: now.size, first: [] };
  }

  fsyncDir(_path: string): void {
    this.#whole();
    this.#durableNames = new Map(this.#names);
  }

  rename(from: string, to: string): void {
    this.#whole();
    const number = this.#names.get(from);
    if (number === undefined) throw systemError('ENOENT');
    this.#names.delete(from);
    this.#names.set(to, number);
  }

  unlink(path: string): void {
    this.#alive();
    if (!this.#names.has(path)) throw systemError('ENOENT');
    this.#whole();
    this.#names.delete(path);
  }

  readdir(path: string): string[] {
    const prefix = `${path}/`;
    return [...this.#names.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  }

  size(fd: number): number {
    this.#alive();
    return this.#inode(fd).now.size;
  }

  replace(fd: number, next: number): void {
    this.#alive();
    this.#open.set(fd, this.#number(next));
    this.#open.delete(next);
  }

  close(fd: number): void {
    this.#open.delete(fd);
  }

  #write(fd: number, data: Uint8Array, position: number): void {
    this.#change(fd, written(this.#inode(fd).now, data, position));
  }

  #change(fd: number, now: Content): void {
    const number = this.#number(fd);
    const inode = this.#inodes[number];
    const first = [...inode.first];
    now.pages.forEach((page, index) => {
      if (page !== pageAt(inode.now, index)) first[index] ??= page;
    });
    this.#inodes[number] = { durable: inode.durable, now, low: Math.min(inode.low, now.size), first };
  }

  #number(fd: number): number {
    const number = this.#open.get(fd);
    if (number === undefined) throw systemError('EBADF');
    return number;
  }

  #inode(fd: number): Inode {
    return this.#inodes[this.#number(fd)];
  }

  #alive(): void {
    if (this.#dead) throw killed;
  }

  /** Before a change that is made as a whole or not at all. */
  #whole(): void {
    const error = this.#step();
    if (error !== undefined) throw error;
  }

  /** Counts a changing call. Throws when it must have no effect; returns the error when it is to have half of its effect. */
  #step(): Error | undefined {
    this.#alive();
    const call = this.calls++;
    this.before?.(call);
    this.#alive();
    const fault = this.#fault;
    if (fault === undefined || (fault.kind === 'error' && fault.lasting ? call < fault.at : call !== fault.at)) {
      return undefined;
    }
    if (fault.kind === 'kill') {
      this.#dead = true;
      throw killed;
    }
    const error = systemError(fault.code);
    if (!fault.half) throw error;
    return error;
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}

/** Half of a write: whole units of the model's files, any number of bytes of the small writes to a map. */
function halfOf(length: number): number {
  return length < 2048 ? Math.floor(length / 2) : Math.floor(length / 4096) * 2048;
}
