// Files made on the mount that the kernel reads and writes by itself (FUSE_PASSTHROUGH): which of them are open, and
// what their objects say. Used by the namespace thread only.

import { closeSync, constants, openSync, statSync } from 'node:fs';
import type { DiffBudget } from '../shared/diff-budget.js';
import { withObject } from '../shared/missing-object.js';
import { agreeWithObject, type ObjectState, refreshFromObject } from '../shared/object-state.js';
import { rowFlag } from '../shared/row-layout.js';
import { control, type SharedState } from '../shared/shared-state.js';
import type { Inode } from './inode.js';

/** The kernel's list of files that it may read and write by itself. */
export interface BackingFiles {
  /** @returns the kernel's number of the open file, above 0. @throws a system error */
  register(fd: number): number;
  release(id: number): void;
  /** An object is open for writing by the kernel from now on, or is no more; not told of those whose data nobody will sync. */
  writes(path: string, open: boolean): void;
}

interface OpenFile {
  readonly id: number;
  handles: number;
  /** the object's path where `writes` was told of it */
  written?: string;
}

/** Data nobody will sync. */
const NEVER_SYNCED = rowFlag.transient | rowFlag.temporary;

export class PassthroughFiles {
  readonly #shared: SharedState;
  readonly #budget: DiffBudget;
  readonly #directory: string;
  readonly #open = new Map<Inode, OpenFile>();
  #backing: BackingFiles | null = null;

  /** @param directory of the objects */
  constructor(shared: SharedState, budget: DiffBudget, directory: string) {
    this.#shared = shared;
    this.#budget = budget;
    this.#directory = directory;
  }

  /** Whether the kernel does that on this mount: decided before it has asked for anything. */
  get active(): boolean {
    return Atomics.load(this.#shared.control, control.passthrough) !== 0;
  }

  /** Whether the kernel shall read and write the file by itself. */
  takes({ row }: Inode): boolean {
    return row !== 0 && this.#shared.table.isPassthrough(row);
  }

  /** Where files are registered from now on. */
  use(backing: BackingFiles): void {
    this.#backing = backing;
  }

  /**
   * One more handle of a file. All handles of a file have the same number.
   * @param written through this handle, perhaps: nobody will tell
   * @returns the number to give to the kernel. @throws a system error when the kernel does not take the file
   */
  open(inode: Inode, written: boolean): number {
    const { table } = this.#shared;
    this.#mustHaveObject(inode);
    // Before the kernel can write, and as long as it knows the inode: a mapping outlives its handle.
    if (written) table.addFlag(inode.row, rowFlag.dirtyData);
    let file = this.#open.get(inode);
    if (file === undefined) {
      file = { id: this.#register(inode), handles: 0 };
      this.#open.set(inode, file);
      Atomics.store(this.#shared.control, control.passthroughFiles, this.#open.size);
    }
    file.handles++;
    if (written && file.written === undefined && !table.hasFlag(inode.row, NEVER_SYNCED)) {
      file.written = this.#path(inode);
      this.#backing!.writes(file.written, true);
    }
    return file.id;
  }

  /** A handle that `open` was called for is gone. */
  close(inode: Inode): void {
    const file = this.#open.get(inode);
    if (file === undefined || --file.handles > 0) return;
    this.#open.delete(inode);
    Atomics.store(this.#shared.control, control.passthroughFiles, this.#open.size);
    if (file.written !== undefined) this.#backing!.writes(file.written, false);
    this.#backing!.release(file.id);
  }

  /** The inode has got its row: what it knows is what the object says. */
  attached(inode: Inode): void {
    if (!this.#hasObject(inode)) return;
    const found = statSync(this.#path(inode), { throwIfNoEntry: false });
    // One that is missing is found to be when somebody asks for attributes.
    if (found !== undefined) agreeWithObject(this.#shared.table, inode.row, found);
  }

  /** Takes over what the kernel has changed. Does nothing for any other kind of file. */
  refresh(inode: Inode): void {
    if (!this.#hasObject(inode)) return;
    refreshFromObject(this.#shared.table, inode.row, this.#budget, () => this.#look(inode));
  }

  #register(inode: Inode): number {
    // The kernel opens it once more for each handle. As long as the mount exists it keeps this one: not as somebody who writes.
    const fd = openSync(this.#path(inode), constants.O_RDONLY);
    try {
      return this.#backing!.register(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Also an empty file, which needs none elsewhere: a handle cannot be given to the kernel later. */
  #mustHaveObject(inode: Inode): void {
    if (this.#hasObject(inode)) return;
    const { table, control: words } = this.#shared;
    // A data thread may be making it, for somebody who truncates the file by its name.
    closeSync(openSync(this.#path(inode), constants.O_RDWR | constants.O_CREAT, 0o600));
    table.addFlag(inode.row, rowFlag.object);
    Atomics.add(words, control.objectsCreated, 1);
    this.attached(inode);
  }

  #hasObject(inode: Inode): boolean {
    return this.takes(inode) && this.#shared.table.hasFlag(inode.row, rowFlag.object);
  }

  #look(inode: Inode): ObjectState {
    return withObject(inode.objectId!, () => statSync(this.#path(inode)));
  }

  #path(inode: Inode): string {
    return `${this.#directory}/${inode.objectId}`;
  }
}
