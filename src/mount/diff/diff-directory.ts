// A diff directory before its first use and at every mount: ours, still empty, or somebody else's.

import { lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PbkfsError } from '../../errors.js';
import { CLIENTS_FILE } from '../../fs/kernel-clients.js';
import { COUNTERS_FILE } from '../../fs/report/saved-counters.js';
import { LOST_WRITES_FILE } from '../../overlay/diff/lost-writes.js';
import { SPARE_FILE } from '../../overlay/diff/spare-room.js';
import { syncDirectory } from '../../sys/durable-file.js';
import { BINDING_FILE, type Binding, notOurs, readBinding } from './binding.js';
import { LOCK_FILE } from './lock.js';
import { UNSAFE_MARKER } from './unsafe-marker.js';

export const LOG_FILE = 'pbkfs.log';

/** Everything pbkfs makes in a diff, in the order it is removed: its journal first, so that what is left says so. */
export const OWN_NAMES: readonly string[] = [
  'journal',
  'journal.new',
  'objects',
  SPARE_FILE,
  LOST_WRITES_FILE,
  COUNTERS_FILE,
  LOG_FILE,
  CLIENTS_FILE,
  UNSAFE_MARKER,
  `${UNSAFE_MARKER}.tmp`,
  `${BINDING_FILE}.tmp`,
  BINDING_FILE,
  LOCK_FILE,
];

/** Names in a diff that are not of pbkfs, nor of the file system itself. */
export function foreignNames(diff: string): string[] {
  return readdirSync(diff).filter((name) => !OWN_NAMES.includes(name) && name !== 'lost+found');
}

/** What a mount that failed at its very start may leave, and what mkfs puts into a new file system. */
const HARMLESS = new Set([LOCK_FILE, LOG_FILE, SPARE_FILE, `${BINDING_FILE}.tmp`, 'lost+found']);

/** For mount as well as for commands that only want a diff that is there. */
const GIVE_A_DIFF = 'give the diff of an earlier mount; a first mount takes an empty or new directory';

export type DiffDirectory =
  | { readonly kind: 'absent' | 'empty' }
  | { readonly kind: 'bound'; readonly binding: Binding };

/**
 * Looks at a diff directory that a mount is to use, and changes nothing.
 * @param diff absolute path
 * @throws PbkfsError as findDiff, and diff_foreign for one that is absent and cannot be made
 */
export function findDiffToMount(diff: string): DiffDirectory {
  const found = findDiff(diff);
  if (found.kind === 'absent') refuseNoPlace(diff);
  return found;
}

/**
 * The same for whoever makes no diff.
 * @throws PbkfsError diff_foreign for a directory with other content; diff_damaged for a broken binding
 */
export function findDiff(diff: string): DiffDirectory {
  let names: string[];
  try {
    names = readdirSync(diff);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return { kind: 'absent' };
    if (code === 'EACCES') throw notOurs(diff, error);
    const message =
      code === 'ENOTDIR' ? `the diff ${diff} is not a directory` : `cannot read the diff ${diff}: ${code}`;
    throw new PbkfsError('diff_foreign', message, { hint: GIVE_A_DIFF, cause: error });
  }
  const binding = readBinding(diff);
  if (binding !== undefined) return { kind: 'bound', binding };
  const strange = names.filter((name) => !HARMLESS.has(name));
  if (strange.length === 0) return { kind: 'empty' };
  throw new PbkfsError('diff_foreign', `${diff} is not empty and not a pbkfs diff: it holds ${listing(strange)}`, {
    hint: GIVE_A_DIFF,
  });
}

/**
 * The binding of a diff that must be there.
 * @param is what an empty or missing directory is said to be
 * @throws PbkfsError as findDiff, and diff_foreign where there is none
 */
export function bindingIn(
  diff: string,
  is = 'no diff',
  hint = 'give the directory that was given to mount with -d',
): Binding {
  const found = findDiff(diff);
  if (found.kind === 'bound') return found.binding;
  throw new PbkfsError('diff_foreign', `${diff} ${found.kind === 'empty' ? 'is empty' : 'does not exist'}: ${is}`, {
    hint,
  });
}

/** Creates an absent diff directory, durably. Private: it holds the data of a database. @throws PbkfsError mount_failed, diff_busy */
export function createDiff(diff: string): void {
  try {
    mkdirSync(diff, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      throw new PbkfsError('diff_busy', `the diff ${diff} was made by somebody else a moment ago`, {
        hint: 'two mounts cannot share a diff: give this one another',
        cause: error,
      });
    }
    // That one names the user, too.
    if (code === 'EACCES' || code === 'EPERM') throw error;
    throw new PbkfsError('mount_failed', `cannot create the diff ${diff}: ${code}`, {
      hint: 'give a directory on a file system that can be written and has room',
      cause: error,
    });
  }
  syncDirectory(dirname(diff));
}

/** What a mount finds in a diff that it is about to use for the first time, and what it is going to make there besides its own names. */
export interface FreshDiff {
  /** This mount has made the directory. */
  readonly created: boolean;
  /** Names that were there before; they stay, but for the lock. */
  readonly there: readonly string[];
  /** The log file, wherever it is. */
  readonly logFile?: string | undefined;
}

/**
 * Undoes the preparation of a diff whose very first mount failed before anybody could write to it: removes what it
 * has made, and the directory itself when that was created too. Anything with data in `objects` is left alone.
 */
export function discardFreshDiff(diff: string, { created, there, logFile }: FreshDiff): void {
  try {
    if (readdirSync(join(diff, 'objects')).length > 0) return;
  } catch {
    // No objects at all.
  }
  const log = logFile !== undefined && dirname(logFile) === diff ? [basename(logFile)] : [];
  for (const name of [...OWN_NAMES, ...log]) {
    if (name === LOCK_FILE || !there.includes(name)) rmSync(join(diff, name), { recursive: true, force: true });
  }
  if (created && readdirSync(diff).length === 0) rmdirSync(diff);
}

function refuseNoPlace(diff: string): void {
  const parent = dirname(diff);
  if (lstatSync(diff, { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new PbkfsError('diff_foreign', `cannot create the diff ${diff}: it is a link that leads nowhere`, {
      hint: 'make the directory that it leads to, or give that one',
    });
  }
  if (statSync(parent, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new PbkfsError('diff_foreign', `cannot create the diff ${diff}: ${parent} is not a directory`, {
      hint: 'only the diff itself is made: make the directory it is to lie in, or give another place',
    });
  }
}

function listing(names: readonly string[]): string {
  const shown = names
    .slice(0, 3)
    .map((name) => JSON.stringify(name))
    .join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
