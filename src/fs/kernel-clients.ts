// Programs that outlive a mount whose process was killed. As a rule they get errors for everything. What they have open
// of a passthrough file they go on reading and writing, since the kernel does that by itself: into objects of the diff,
// while the next mount serves them. So a diff says on which connection that may be, and is not mounted before that is gone.

import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PbkfsError } from '../errors.js';
import { isOpenForWriting } from '../sys/lease.js';
import { MNT_DETACH, mount, umount2 } from '../sys/libc.js';
import { bootId } from '../sys/process-identity.js';
import { readIfThere } from '../sys/read-if-there.js';

/** Name in the diff. */
export const CLIENTS_FILE = 'passthrough';
/** Where the control file system of FUSE is mounted as a rule: a directory for each connection that exists. */
const CONTROL = '/sys/fs/fuse/connections';

interface Note {
  /** the boot in which it was mounted */
  readonly boot: string;
  /** device number of the mount, major:minor; the minor is the connection's number */
  readonly device: string;
}

/** From now on the kernel may write objects of the diff by itself. Not synced: it counts as long as this boot. */
export function noteClients(diff: string, device: string): void {
  const note: Note = { boot: bootId(), device };
  writeFileSync(join(diff, CLIENTS_FILE), `${JSON.stringify(note)}\n`, { mode: 0o600 });
}

/** The mount is gone, and nobody had anything open. */
export function forgetClients(diff: string): void {
  try {
    rmSync(join(diff, CLIENTS_FILE), { force: true });
  } catch {
    // It stays, and says of a connection that is gone.
  }
}

/**
 * Whether programs still have files of the diff open for writing through the mount that left the note: its process was
 * killed, or it was ended by force, umount -f.
 */
export function hasKernelClients(diff: string): boolean {
  const note = readNote(diff);
  if (note === null || note.boot !== bootId() || !connectionExists(note.device)) return false;
  // The number may be that of another mount by now. Whose object the kernel writes has it open.
  const objects = join(diff, 'objects');
  return existsSync(objects) && readdirSync(objects).some((name) => isOpenForWriting(join(objects, name)));
}

/**
 * @param forceGoesOn whether the command does its work all the same with --force
 * @throws PbkfsError diff_busy while somebody may still write into the diff through a mount that has lost its process
 */
export function refuseKernelClients(diff: string, forceGoesOn: boolean): void {
  if (!hasKernelClients(diff)) return;
  throw new PbkfsError(
    'diff_busy',
    `programs that used the diff ${diff} through its last mount, which was killed or unmounted by force, still have files of it open and may write to them`,
    {
      hint: `end them (kill -QUIT the postmaster of a PostgreSQL server); fuser and lsof do not see them once the dead mount is off${forceGoesOn ? '; --force goes on all the same' : ''}`,
    },
  );
}

function readNote(diff: string): Note | null {
  const bytes = readIfThere(join(diff, CLIENTS_FILE));
  if (bytes === undefined) return null;
  try {
    const note = JSON.parse(bytes.toString('utf8')) as Partial<Note> | null;
    return note?.boot === undefined || note.device === undefined ? null : (note as Note);
  } catch {
    // Killed while it was being written: before the kernel was allowed anything.
    return null;
  }
}

/** Whether the connection of a mount still exists: until its last file is closed, mounted or not. */
function connectionExists(device: string): boolean {
  const number = device.split(':')[1]!;
  if (existsSync(CONTROL) && readdirSync(CONTROL).length > 0) return existsSync(join(CONTROL, number));
  // Not mounted, or nobody has a connection: looked at in a place of our own.
  let directory: string | undefined;
  try {
    directory = mkdtempSync(join(tmpdir(), 'pbkfs-fusectl-'));
    mount('fusectl', directory, 'fusectl', 0, '');
  } catch {
    // Whoever may not look, or has no place for it, must not believe that nobody is there.
    if (directory !== undefined) rmdirSync(directory);
    return true;
  }
  try {
    return existsSync(join(directory, number));
  } finally {
    // Somebody may be looking into it, like whoever watches for new mounts.
    umount2(directory, MNT_DETACH);
    rmdirSync(directory);
  }
}
