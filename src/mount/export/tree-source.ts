// A merged tree to be copied: that of a live mount, read through the kernel, or that of a diff nobody has mounted.

import { lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { byteString, pathBytes } from '../../backup/byte-path.js';
import type { FileSource } from '../../backup/index.js';
import { identified } from '../../overlay/data/identified.js';
import { BaseNode } from '../../overlay/namespace/base-node.js';
import { HIDDEN_DIRECTORY, TABLESPACES, TABLESPACES_PATH } from '../../overlay/namespace/hidden-directory.js';
import { type Inode, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../overlay/namespace/inode.js';
import type { Overlay } from '../../overlay/overlay.js';

export interface Attributes {
  /** Full st_mode. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** [seconds, nanoseconds] */
  readonly atime: readonly [number, number];
  readonly mtime: readonly [number, number];
}

/** How a worker reads a file. */
export type FileRef =
  | { readonly kind: 'path'; readonly path: string }
  | {
      readonly kind: 'row';
      readonly row: number;
      readonly generation: number;
      readonly source: FileSource;
      /** The diff holds blocks of it. */
      readonly changed: boolean;
    }
  /** The file is that object of the diff and nothing else. */
  | { readonly kind: 'object'; readonly path: string }
  /** A file made on the mount that was never written. */
  | { readonly kind: 'empty' };

/** Names and paths are byte strings (latin1). */
export interface TreeSource<N> {
  readonly root: N;
  list(directory: N): Iterable<readonly [name: string, node: N]>;
  attributes(node: N): Attributes;
  target(node: N): string;
  /** What a link in the tree leads to, if it leads to a directory outside of PGDATA's own names. */
  follow(node: N, path: string): N | undefined;
  /** @param attributes as they were just looked at */
  file(node: N, attributes: Attributes): FileRef;
}

const TABLESPACE = new RegExp(`^\\.\\./\\${TABLESPACES_PATH}/([^/]+)$`);

/** A directory of a mount: nodes are absolute paths. */
export class MountedTree implements TreeSource<string> {
  readonly root: string;
  /** Size and mtime of the files that were to be copied, as they were looked at. */
  readonly #files = new Map<string, string>();

  constructor(mountpoint: string) {
    this.root = byteString(mountpoint);
  }

  *list(directory: string): Iterable<readonly [string, string]> {
    for (const name of readdirSync(pathBytes(directory), { encoding: 'buffer' })) {
      const text = name.toString('latin1');
      yield [text, `${directory}/${text}`];
    }
  }

  attributes(node: string): Attributes {
    const stat = lstatSync(pathBytes(node), { bigint: true });
    const time = (ns: bigint): [number, number] => [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)];
    return {
      mode: Number(stat.mode),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: Number(stat.size),
      atime: time(stat.atimeNs),
      mtime: time(stat.mtimeNs),
    };
  }

  target(node: string): string {
    return readlinkSync(pathBytes(node), { encoding: 'buffer' }).toString('latin1');
  }

  follow(node: string, path: string): string | undefined {
    const target = this.target(node);
    const oid = path.startsWith('pg_tblspc/') ? TABLESPACE.exec(target)?.[1] : undefined;
    if (oid !== undefined) return `${this.root}/${TABLESPACES_PATH}/${oid}`;
    // WAL that lies elsewhere belongs to the copy all the same.
    return path === 'pg_wal' ? this.directory(target.startsWith('/') ? target : `${this.root}/${target}`) : undefined;
  }

  /** The path if a directory lies there. */
  directory(path: string): string | undefined {
    return statSync(pathBytes(path), { throwIfNoEntry: false })?.isDirectory() ? path : undefined;
  }

  file(node: string, attributes: Attributes): FileRef {
    this.#files.set(node, stateOf(attributes));
    return { kind: 'path', path: node };
  }

  /**
   * Whether a file has changed since it was to be copied: what the kernel writes by itself (mount --passthrough), and WAL
   * outside of the mount, is in no counter.
   */
  hasChanged(): boolean {
    return [...this.#files].some(([node, before]) => {
      try {
        return stateOf(this.attributes(node)) !== before;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        return true;
      }
    });
  }
}

function stateOf({ size, mtime }: Attributes): string {
  return `${size} ${mtime.join('.')}`;
}

/**
 * The tree of an overlay that this process has opened. Files stay referenced until it is closed. What lies outside (WAL
 * in a directory of its own) is an absolute path.
 */
export class OverlayTree implements TreeSource<Inode | string> {
  readonly root: Inode;
  readonly #overlay: Overlay;
  readonly #outside = new MountedTree('/');

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
    this.root = overlay.namespace.root;
  }

  *list(directory: Inode | string): Iterable<readonly [string, Inode | string]> {
    if (typeof directory === 'string') {
      yield* this.#outside.list(directory);
      return;
    }
    for (const [name, entry] of this.#overlay.list(directory)) {
      yield [name, entry instanceof BaseNode ? this.#lookup(directory, name) : entry];
    }
  }

  attributes(node: Inode | string): Attributes {
    if (typeof node === 'string') return this.#outside.attributes(node);
    const { mode, uid, gid, size, atime, atimeNsec, mtime, mtimeNsec } = this.#overlay.namespace.attributes(node);
    return { mode, uid, gid, size, atime: [atime, atimeNsec], mtime: [mtime, mtimeNsec] };
  }

  target(node: Inode | string): string {
    return typeof node === 'string' ? this.#outside.target(node) : (node.target ?? '');
  }

  follow(node: Inode | string, path: string): Inode | string | undefined {
    const target = this.target(node);
    if (path === 'pg_wal' && target.startsWith('/')) return this.#outside.directory(target);
    const oid = path.startsWith('pg_tblspc/') ? TABLESPACE.exec(target)?.[1] : undefined;
    if (oid === undefined) return undefined;
    const hidden = this.#lookup(this.root, HIDDEN_DIRECTORY);
    return this.#lookup(this.#lookup(hidden, TABLESPACES), oid);
  }

  file(node: Inode | string, attributes: Attributes): FileRef {
    if (typeof node === 'string') return this.#outside.file(node, attributes);
    if (!node.isBased && !node.hasObject) return { kind: 'empty' };
    if (!node.isBased)
      return { kind: 'object', path: `${byteString(this.#overlay.objects.directory)}/${node.objectId}` };
    this.#overlay.namespace.reference(node);
    const { row, generation } = node;
    if (node.objectId !== null) this.#overlay.loadDiff(row, generation);
    return {
      kind: 'row',
      row,
      generation,
      source: identified(this.#overlay, row, generation),
      changed: node.objectId !== null,
    };
  }

  #lookup(directory: Inode, name: string): Inode {
    return this.#overlay.lookup(directory, name)!;
  }
}

/** What a node is, by its st_mode. */
export function kindOf(mode: number): 'dir' | 'file' | 'link' | 'other' {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return 'dir';
    case S_IFREG:
      return 'file';
    case S_IFLNK:
      return 'link';
    default:
      return 'other';
  }
}
