// Which stored file it was: a number to compare a file that is opened later with the one that was looked at first.

import fs from 'node:fs';
import { pathBytes } from './byte-path.js';
import type { FileSource } from './types.js';

/** 1..2^32-1 from inode, length and modification time: what a file loses when a merge rewrites or replaces it. */
export function storedIdentity({ ino, size, mtimeNs }: { ino: bigint; size: bigint; mtimeNs: bigint }): number {
  let hash = 0x811c9dc5;
  for (let part of [ino, size, mtimeNs]) {
    for (let i = 0; i < 8; i++, part >>= 8n) hash = Math.imul(hash ^ Number(part & 0xffn), 0x01000193);
  }
  return hash >>> 0 || 1;
}

/** Identities of the files a source reads from, in the order of its layers; 0 where one is missing. */
export function storedIdentities(source: FileSource): number[] {
  const files = source.kind === 'raw' ? (source.file === null ? [] : [source.file]) : source.layers.map((l) => l.file);
  return files.map((file) => {
    const stat = fs.statSync(pathBytes(file), { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? 0 : storedIdentity(stat);
  });
}
