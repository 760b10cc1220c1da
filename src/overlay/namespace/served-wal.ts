// `.pbkfs/wal`: the catalog's WAL archive as PostgreSQL wants to copy it, every file decompressed under its own name.
//
// So `restore_command` needs neither the catalog's path nor a program. Names are looked up each time (the archive of a
// running production grows); a segment is decompressed when it is read, and the last few stay in memory.

import { DEFAULT_SEGMENT_SIZE, isSegmentName, parseSegmentName, WalArchive } from '../../backup/wal/index.js';
import { type Inode, S_IFDIR, S_IFREG, type VirtualContent } from './inode.js';
import { FIRST_WAL_INO, virtualInode } from './virtual-file.js';

export interface WalLocation {
  /** Absolute path of the instance's archive, latin1. */
  readonly directory: string;
  /** Bytes of a segment; undefined: PostgreSQL's default. */
  readonly segmentSize: number | undefined;
}

/** Segments kept decompressed: cp reads one in many requests. */
const KEPT = 2;

export class ServedWal {
  readonly #archive: WalArchive;
  readonly #segmentSize: number;
  readonly #kept = new Map<string, { readonly bytes: Buffer; readonly growth: string | undefined }>();

  constructor(location: WalLocation) {
    this.#segmentSize = location.segmentSize ?? DEFAULT_SEGMENT_SIZE;
    this.#archive = new WalArchive(location.directory, this.#segmentSize);
  }

  /** The directory itself: read-only, and nobody's diff. */
  inode(parent: Inode): Inode {
    const inode = virtualInode({ ino: FIRST_WAL_INO, mode: S_IFDIR | 0o555, size: 0 }, new Uint8Array(0));
    inode.parent = parent;
    return inode;
  }

  /** A damaged file is there all the same: reading it is what fails, so that recovery stops instead of ending early. */
  lookup(name: string): Inode | null {
    let size: number | undefined;
    try {
      size = this.#archive.sizeOf(name, this.#segmentSize);
    } catch {
      // Storage that cannot be asked right now does not say that there is none.
      size = this.#segmentSize;
    }
    return size === undefined ? null : this.#file(name, size);
  }

  *list(): IterableIterator<[name: string, entry: Inode]> {
    for (const name of this.#archive.names()) {
      const inode = this.lookup(name);
      if (inode !== null) yield [name, inode];
    }
  }

  #file(name: string, size: number): Inode {
    const content: VirtualContent = { subarray: (from, to) => this.#read(name, size).subarray(from, to) };
    // A mode that cp may hand on: PostgreSQL opens its copy for writing. This file itself cannot be written to.
    return virtualInode({ ino: this.#ino(name), mode: S_IFREG | 0o644, size }, content);
  }

  #read(name: string, size: number): Buffer {
    const kept = this.#kept.get(name);
    if (kept !== undefined && kept.growth === undefined) return kept.bytes;
    // Asked before the content: at worst it is read once more.
    const growth = this.#archive.growth(name);
    if (kept !== undefined && kept.growth === growth) return kept.bytes;
    const bytes = this.#archive.read(name);
    if (bytes === undefined) throw new Error(`${name} has gone from ${this.#archive.directory}`);
    if (bytes.length !== size) throw new Error(`${name}: ${bytes.length} bytes instead of ${size}`);
    // What is not a segment is small.
    if (isSegmentName(name)) {
      this.#kept.delete(name);
      for (const oldest of this.#kept.keys()) if (this.#kept.size >= KEPT) this.#kept.delete(oldest);
      this.#kept.set(name, { bytes, growth });
    }
    return bytes;
  }

  #ino(name: string): number {
    if (!isSegmentName(name)) return FIRST_WAL_INO + 1;
    const { timeline, number } = parseSegmentName(name, this.#segmentSize);
    return FIRST_WAL_INO + 2 + (timeline % 256) * 2 ** 32 + (number % 2 ** 32);
  }
}
