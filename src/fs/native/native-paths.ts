// What the absolute paths of libfuse's calls lead to. Links on the way were followed by the kernel.

import { SystemError } from '../../errors.js';
import type { Inode } from '../../overlay/namespace/inode.js';
import type { Overlay } from '../../overlay/overlay.js';
import { bytesOf } from './byte-text.js';
import { isSillyName, type SillyRenames } from './silly-renames.js';
import type { VirtualSnapshots } from './virtual-snapshots.js';

export class NativePaths {
  readonly #overlay: Overlay;
  readonly #silly: SillyRenames;
  readonly #virtual: VirtualSnapshots;

  constructor(overlay: Overlay, silly: SillyRenames, virtual: VirtualSnapshots) {
    this.#overlay = overlay;
    this.#silly = silly;
    this.#virtual = virtual;
  }

  /** @throws ENOENT */
  find(path: string): Inode {
    const status = this.#virtual.find(path);
    if (status !== undefined) return status;
    let inode = this.#overlay.namespace.root;
    const names = bytesOf(path).split('/');
    for (let at = 1; at < names.length; at++) {
      const name = names[at]!;
      if (name === '') continue;
      const silly = isSillyName(name) ? this.#silly.find(name) : undefined;
      const next = silly ?? this.#overlay.lookup(inode, name);
      if (next === null) throw new SystemError('ENOENT');
      inode = next;
    }
    return inode;
  }

  /** The directory a path's last name is in, and that name as latin1. @throws ENOENT, ENOTDIR */
  parentOf(path: string): [directory: Inode, name: string] {
    const slash = path.lastIndexOf('/');
    const directory = this.find(path.slice(0, slash));
    if (!directory.isDirectory) throw new SystemError('ENOTDIR');
    return [directory, bytesOf(path.slice(slash + 1))];
  }
}
