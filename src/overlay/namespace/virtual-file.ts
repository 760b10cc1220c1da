// Files that pbkfs itself shows below the hidden directory: their content is made when they are looked up.

import { type Attributes, emptyAttributes } from '../shared/attributes.js';
import { Inode, S_IFREG, type VirtualContent } from './inode.js';

/** Inode number of the first virtual file, out of reach of backup and diff numbers. */
const FIRST_INO = 2 ** 50;

/** Of the directory with WAL; its files follow. */
export const FIRST_WAL_INO = 2 ** 51;

export const virtualNames = ['stat', 'status.json', 'chain.json', 'metrics', 'log'] as const;

export type VirtualName = (typeof virtualNames)[number];

export function isVirtualName(name: string): name is VirtualName {
  return (virtualNames as readonly string[]).includes(name);
}

/** A read-only file with fixed content, for its owner alone: it tells of paths and of what is done in the database. */
export function virtualFile(name: VirtualName, content: Uint8Array, uid: number, gid: number): Inode {
  return ownFile(FIRST_INO + virtualNames.indexOf(name), content, uid, gid);
}

/** The same for a file of any number that no other inode can have. */
export function ownFile(ino: number, content: Uint8Array, uid: number, gid: number): Inode {
  return virtualInode({ ino, size: content.length, mode: S_IFREG | 0o400, uid, gid }, content);
}

/** An inode that is in no diff and no backup, made now; root's unless said otherwise. */
export function virtualInode(attributes: Partial<Attributes>, content: VirtualContent): Inode {
  const seconds = Math.floor(Date.now() / 1000);
  const times = { atime: seconds, mtime: seconds, ctime: seconds };
  const inode = new Inode(Object.assign(emptyAttributes(), times, attributes), null, null, 1);
  inode.virtual = content;
  return inode;
}
