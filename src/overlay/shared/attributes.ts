// What GETATTR tells of an inode.

/** Nanoseconds-precise attributes of a row, as GETATTR returns them. */
export interface Attributes {
  ino: number;
  size: number;
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  rdev: number;
  atime: number;
  atimeNsec: number;
  mtime: number;
  mtimeNsec: number;
  ctime: number;
  ctimeNsec: number;
}

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;

/** Whether a mode has a set-uid or set-gid bit. */
export function hasSetId(mode: number): boolean {
  return (mode & (S_ISUID | S_ISGID)) !== 0;
}

/** Mode after a write or truncation by an unprivileged caller: no set-uid; no set-gid where the group may execute. */
export function withoutSetId(mode: number): number {
  const S_IXGRP = 0o010;
  let result = mode & ~S_ISUID;
  if (mode & S_IXGRP) result &= ~S_ISGID;
  return result;
}

/** A fresh, empty set of attributes to read into. */
export function emptyAttributes(): Attributes {
  return {
    ino: 0,
    size: 0,
    mode: 0,
    uid: 0,
    gid: 0,
    nlink: 0,
    rdev: 0,
    atime: 0,
    atimeNsec: 0,
    mtime: 0,
    mtimeNsec: 0,
    ctime: 0,
    ctimeNsec: 0,
  };
}
