// The diff's storage as fsck sees it: what would be written is noted and not done.

import { NodeStorage, type OpenMode } from '../diff/index.js';

/** Loading a map or journal through it shows what a mount would make of it, and whether it would have to change it. */
export class ReadOnlyStorage extends NodeStorage {
  /** Something would have been written. */
  changed = false;

  override open(path: string, _mode: OpenMode): number {
    return super.open(path, 'read');
  }

  override pwrite(_fd: number, _buffer: Uint8Array, _offset: number, length: number): number {
    this.changed = true;
    return length;
  }

  override ftruncate(): void {
    this.changed = true;
  }

  override allocate(): void {
    this.changed = true;
  }

  override reserve(): void {}

  override rename(): void {
    this.changed = true;
  }

  override unlink(): void {
    this.changed = true;
  }

  override fdatasync(): void {}

  override fsyncDir(): void {}
}
