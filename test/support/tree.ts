// Snapshots of directory trees, to compare them: of a catalog before and after, of a mount with an ordinary directory.

import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

export interface TreeEntryStat {
  readonly type: 'file' | 'directory' | 'link' | 'other';
  /** Permission bits. */
  readonly mode: number;
  /** Bytes; of files only. */
  readonly size: number;
  readonly ino: number;
  readonly mtimeMs: number;
  readonly target?: string;
}

/** Everything below `root` (not followed through links): relative path as latin1 bytes → what lstat says. */
export function listTree(root: string): Map<string, TreeEntryStat> {
  const found = new Map<string, TreeEntryStat>();
  const walk = (relative: string): void => {
    for (const name of readdirSync(bytes(root, relative), 'latin1').sort()) {
      const path = relative === '' ? name : `${relative}/${name}`;
      const entry = statEntry(bytes(root, path));
      found.set(path, entry);
      if (entry.type === 'directory') walk(path);
    }
  };
  walk('');
  return found;
}

/** One hash over every path, type, mode, link target and content byte below `root`: equal means nothing changed. */
export function hashTree(root: string): string {
  const hash = createHash('sha256');
  for (const [path, entry] of listTree(root)) {
    hash.update(`${path}\0${entry.type} ${entry.mode} ${entry.size} ${entry.target ?? ''}\0`, 'latin1');
    if (entry.type === 'file') hash.update(sha256OfFile(root, path));
  }
  return hash.digest('hex');
}

/** Hex SHA-256 of the file `path` (latin1) below `root`, read in chunks. */
export function sha256OfFile(root: string, path: string): string {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(256 * 1024);
  const fd = openSync(bytes(root, path), 'r');
  try {
    for (let n = readSync(fd, chunk); n > 0; n = readSync(fd, chunk)) hash.update(chunk.subarray(0, n));
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}

function statEntry(path: Buffer): TreeEntryStat {
  const stat = lstatSync(path);
  const type = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'link' : 'other';
  return {
    type,
    mode: stat.mode & 0o7777,
    size: type === 'file' ? stat.size : 0,
    ino: stat.ino,
    mtimeMs: stat.mtimeMs,
    ...(type === 'link' ? { target: readlinkSync(path, 'latin1') } : {}),
  };
}

function bytes(root: string, relative: string): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), Buffer.from(relative, 'latin1')]);
}
