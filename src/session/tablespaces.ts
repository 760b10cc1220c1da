// CREATE TABLESPACE in WAL to be replayed: it would change the mode of a directory of this host, at its absolute path,
// and empty one in it, production's or not. The server gets directories of the mount in their place, or is not started.

import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { formatLsn, type Lsn } from '../backup/wal/index.js';
import { PbkfsError } from '../errors.js';
import { isWithin } from '../mount/paths.js';
import { type PathBinding, whyNoNamespace } from '../postgres/private-namespace.js';
import type { ServerUser } from '../postgres/server-user.js';
import { existingPart } from '../sys/existing-part.js';

export interface CreatedTablespace {
  readonly lsn: Lsn;
  readonly oid: number;
  readonly path: string;
}

/**
 * What the server's mount namespace must hold.
 * @param mountpoint of the mount, which need not be there yet
 * @param needed further paths that the server must see as they are
 * @throws PbkfsError server_failed naming the tablespace when that cannot be done
 */
export function bindingsFor(
  tablespaces: readonly CreatedTablespace[],
  mountpoint: string,
  needed: readonly string[],
): PathBinding[] {
  const bindings = new Map<string, { oid: number; binding: PathBinding }>();
  const impossible = tablespaces.length === 0 ? undefined : whyNoNamespace();
  for (const tablespace of tablespaces) {
    const { oid } = tablespace;
    if (impossible !== undefined) throw refusal(tablespace, impossible);
    if (!posix.isAbsolute(tablespace.path)) throw refusal(tablespace, 'it is no absolute path');
    const path = realPath(tablespace.path);
    const other = bindings.get(path);
    if (other !== undefined && other.oid !== oid) {
      throw refusal(tablespace, `tablespace ${other.oid} was there before, and one path cannot lead to both`);
    }
    const hidden = [mountpoint, ...needed].find((place) => isWithin(path, realPath(place)));
    if (hidden !== undefined) throw refusal(tablespace, `the server needs ${hidden} below it`);
    if (isWithin(realPath(mountpoint), path)) throw refusal(tablespace, 'it lies on the mount');
    bindings.set(path, { oid, binding: { path, directory: join(mountpoint, '.pbkfs/tablespaces', String(oid)) } });
  }
  for (const path of bindings.keys()) {
    const above = [...bindings.keys()].find((other) => other !== path && isWithin(other, path));
    const inner = tablespaces.find((tablespace) => realPath(tablespace.path) === path)!;
    if (above !== undefined) throw refusal(inner, `another tablespace lies in ${above}, around it`);
  }
  return [...bindings.values()].map(({ binding }) => binding);
}

/** Makes the directories on the mount, which replay then fills; their links in pg_tblspc lead there. */
export function makeTablespaceDirectories(bindings: readonly PathBinding[], user: ServerUser): void {
  for (const { directory } of bindings) {
    if (existsSync(directory)) continue;
    mkdirSync(directory, { mode: 0o700 });
    chownSync(directory, user.uid, user.gid);
  }
}

/**
 * Whether a tablespace is a directory of pg_tblspc itself and no link. A server without allow_in_place_tablespaces
 * panics at the end of recovery when it finds one.
 */
export function hasInPlace(dataDir: string): boolean {
  const entries = readdirSync(join(dataDir, 'pg_tblspc'), { withFileTypes: true });
  return entries.some((entry) => entry.isDirectory() && /^\d+$/.test(entry.name));
}

function realPath(path: string): string {
  const { there, rest } = existingPart(posix.normalize(path).replace(/(.)\/$/, '$1'));
  return join(there, rest);
}

function refusal({ lsn, oid, path }: CreatedTablespace, why: string): PbkfsError {
  const what = `replaying the WAL would touch ${path}: at ${formatLsn(lsn)} tablespace ${oid} is created there`;
  return new PbkfsError('server_failed', `${what}, and ${why}`, {
    hint: "choose a target before that position, or a backup made after it: the directory may be production's",
  });
}
