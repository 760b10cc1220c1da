// Moving pg_wal out of a mount: copied first, durably; then one journal record puts a link in the place of the directory.
//
// A kill at any step leaves either the directory in the mount, and the next mount begins again, or the link.

import { constants } from 'node:fs';
import {
  chmod,
  chown,
  copyFile,
  lchown,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { WAL_NAMES } from '../../backup/constants.js';
import { PbkfsError } from '../../errors.js';
import { HIDDEN_DIRECTORY } from '../../overlay/namespace/hidden-directory.js';
import { exchangeNames } from '../../sys/libc.js';
import type { FileOwner } from '../file-owner.js';
import { type WalBinding, walFiles } from './wal-directory.js';

/** Beside the name that changes, while it changes. */
const UNFINISHED = '.pbkfs-part';

/**
 * Makes pg_wal of the mount a link into the directory; returns when that is durable.
 * @param owner of the copies, where this process may choose
 * @throws PbkfsError diff_damaged when the mount has a directory again although its WAL lies outside
 */
export async function relocateWal(mountpoint: string, wal: WalBinding, owner: FileOwner): Promise<void> {
  const place = await findWal(mountpoint);
  const target = walFiles(wal);
  const unfinished = `${place.path}${UNFINISHED}`;
  const chowning = process.geteuid?.() === 0 ? owner : undefined;
  await rm(unfinished, { recursive: true, force: true });
  if (place.link !== target) {
    if (place.link === undefined) {
      if (wal.ready) {
        throw new PbkfsError('diff_damaged', `${place.path} is a directory, although its WAL lies in ${target}`, {
          hint: `put the link back: ln -s ${target} pg_wal, in a mount of the diff without a server`,
        });
      }
      await copyAll(place.path, target, chowning);
    }
    await symlink(target, unfinished);
    if (chowning !== undefined) await lchown(unfinished, chowning.uid, chowning.gid);
    if (place.link === undefined) exchangeNames(unfinished, place.path);
    else await rename(unfinished, place.path);
    await rm(unfinished, { recursive: true, force: true });
  }
  // A server's WAL is durable on its own from now on: the way to it must be, too.
  await synced(join(mountpoint, HIDDEN_DIRECTORY));
}

async function findWal(mountpoint: string): Promise<{ path: string; link: string | undefined }> {
  for (const name of WAL_NAMES) {
    const path = join(mountpoint, name);
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.isSymbolicLink()) return { path, link: await readlink(path) };
    if (stats?.isDirectory()) return { path, link: undefined };
  }
  throw new PbkfsError('backup_unsupported', `${mountpoint} has no pg_wal that could lie elsewhere`, {
    hint: 'mount it without --wal-dir',
  });
}

/** Whole or not at all under the name `to`, and durable. */
async function copyAll(from: string, to: string, owner: FileOwner | undefined): Promise<void> {
  const part = `${to}.part`;
  for (const leftover of [part, to]) await rm(leftover, { recursive: true, force: true });
  await copyDirectory(from, part, owner);
  await rename(part, to);
  await synced(dirname(to));
}

async function copyDirectory(from: string, to: string, owner: FileOwner | undefined): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, copy] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyDirectory(source, copy, owner);
    else if (entry.isFile()) {
      await copyFile(source, copy, constants.COPYFILE_EXCL);
      await take(source, copy, owner);
    }
  }
  await take(from, to, owner);
}

/** Gives a copy the mode of its original and its owner, and makes it durable. */
async function take(from: string, copy: string, owner: FileOwner | undefined): Promise<void> {
  if (owner !== undefined) await chown(copy, owner.uid, owner.gid);
  await chmod(copy, (await lstat(from)).mode & 0o777);
  await synced(copy);
}

async function synced(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
