// The directories that an export goes to: empty before, and empty again when it fails.

import { readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { byteString } from '../../backup/byte-path.js';
import { PbkfsError } from '../../errors.js';
import { makeDirectories } from '../../sys/make-directories.js';
import { isWithin } from '../paths.js';
import type { Plan } from './plan.js';

const NEW = 'give a new or empty directory';

/** @throws PbkfsError export_failed for a directory that is not empty */
export function prepare(directory: string): void {
  let names: string[] = [];
  try {
    names = readdirSync(directory);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw new PbkfsError('export_failed', `cannot use ${directory}: ${message}`, { hint: NEW });
    makeDirectory(directory);
  }
  if (names.filter((name) => name !== 'lost+found').length === 0) return;
  throw new PbkfsError('export_failed', `${directory} is not empty`, { hint: NEW });
}

function makeDirectory(directory: string): void {
  try {
    makeDirectories(directory, 0o700);
  } catch (error) {
    throw new PbkfsError('export_failed', `cannot make ${directory}: ${(error as Error).message}`, { hint: NEW });
  }
}

/** Leaves the directories as they were: empty. */
export function discard(to: string, tablespaces: ReadonlyMap<string, string>): void {
  for (const directory of [to, ...tablespaces.values()]) {
    for (const name of readdirSync(directory)) {
      if (name !== 'lost+found') rmSync(join(directory, name), { recursive: true, force: true });
    }
  }
}

/** @throws PbkfsError export_failed */
export function refuseWithin(directory: string | undefined, to: string): void {
  if (directory === undefined || (!isWithin(directory, to) && !isWithin(to, directory))) return;
  throw new PbkfsError('export_failed', `${to} and ${directory} lie within each other`, {
    hint: 'mount, diff and catalog are no place for a copy',
  });
}

/** Smallest unit in which file systems give out space. */
const UNIT = 4096;

/**
 * @param directories where the files go
 * @throws PbkfsError export_failed when the files cannot fit, taken as if they had no holes and shared no blocks
 */
export function mustHaveRoom(plan: Plan, directories: readonly string[]): void {
  const roots = directories.map((path) => ({ path, prefix: `${byteString(path)}/`, device: statSync(path).dev }));
  // The longest first: a directory of a tablespace may lie on another file system.
  roots.sort((a, b) => b.prefix.length - a.prefix.length);
  const needed = new Map<number, { path: string; bytes: number }>();
  for (const { to, attributes } of [...plan.files, ...plan.last]) {
    const root = roots.find(({ prefix }) => to.startsWith(prefix))!;
    const sum = needed.get(root.device) ?? { path: root.path, bytes: 0 };
    sum.bytes += Math.ceil(attributes.size / UNIT) * UNIT;
    needed.set(root.device, sum);
  }
  for (const { path, bytes } of needed.values()) {
    const { bavail, bsize } = statfsSync(path);
    if (bavail * bsize >= bytes) continue;
    const mib = (amount: number): string => `${(amount / 2 ** 20).toFixed(1)} MiB`;
    throw new PbkfsError('export_failed', `${path} has room for ${mib(bavail * bsize)}, the copy takes ${mib(bytes)}`, {
      hint: 'nothing was copied; holes and shared blocks, which --force counts on, may take less',
    });
  }
}
