// Status files change with every look, and the kernel remembers the length it was told: what is opened must be what
// was looked at. Their content takes a moment to make, so it is made before the call that asks for it is answered.

import { SystemError } from '../../errors.js';
import type { Inode } from '../../overlay/namespace/inode.js';
import { isVirtualName, type VirtualName } from '../../overlay/namespace/virtual-file.js';

/** How long libfuse lets the kernel believe an answer, in ms. */
const FRESH = 1000;
const DIRECTORY = '/.pbkfs/';

interface Snapshot {
  /** null: it could not be made */
  readonly inode: Inode | null;
  readonly taken: number;
}

export class VirtualSnapshots {
  readonly #make: (name: VirtualName) => Promise<Inode>;
  readonly #taken = new Map<string, Snapshot>();

  /** @param make the file as it is now */
  constructor(make: (name: VirtualName) => Promise<Inode>) {
    this.#make = make;
  }

  /** Resolves, never rejects, when the file is there as it is now, or was within the last second; null: it is already. */
  refresh(path: string): Promise<void> | null {
    const name = virtualNameOf(path);
    if (name === null) return null;
    const before = this.#taken.get(path);
    if (before !== undefined && performance.now() - before.taken < FRESH) return null;
    const keep = (inode: Inode | null): void => void this.#taken.set(path, { inode, taken: performance.now() });
    return this.#make(name).then(keep, () => keep(null));
  }

  /** The file as it was looked at last; undefined for every other path. */
  find(path: string): Inode | undefined {
    if (virtualNameOf(path) === null) return undefined;
    const inode = this.#taken.get(path)?.inode;
    if (inode === undefined || inode === null) throw new SystemError('EIO');
    return inode;
  }
}

function virtualNameOf(path: string): VirtualName | null {
  if (!path.startsWith(DIRECTORY)) return null;
  const name = path.slice(DIRECTORY.length);
  return isVirtualName(name) ? name : null;
}
