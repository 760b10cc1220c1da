// What of a data directory a server reads before it answers a first query: found by reading the catalogs, without a server.

import { hotOids, PG_CLASS } from './hot-oids.js';
import { filenodeMap, hotFilenodes } from './relation-places.js';

/** A part of a file: all of it where no range is given. */
export interface Part {
  /** Relative to the data directory; need not exist. */
  readonly path: string;
  /** Bytes. */
  readonly from?: number;
  readonly to?: number;
}

export interface Warmer {
  /** Names in a directory; none where there is no such directory. */
  list(directory: string): ReadonlySet<string>;
  /** Begins to read it, and returns when few enough other reads are under way. */
  want(part: Part): Promise<void>;
  /** Its content, or the beginning of a large file; empty where there is none. */
  content(path: string): Promise<Buffer>;
}

/** Databases at a time: what says where the catalogs of one are is waited for while others are read. */
const TOGETHER = 4;
const FIRST_NORMAL_OID = 16384;

/**
 * Wants everything, in about the order in which a server does.
 * @param wal parts of the WAL with which it begins
 */
export async function wantHotFiles(wal: readonly Part[], warmer: Warmer): Promise<void> {
  const want = async (paths: Iterable<string>): Promise<void> => {
    for (const path of paths) await warmer.want({ path });
  };
  await want(['global/pg_control', 'PG_VERSION', 'postgresql.auto.conf', 'backup_label', 'global/pg_filenode.map']);
  for (const part of wal) await warmer.want(part);
  await want(newestStates(warmer));
  await want(inDirectory('global', hotOids));
  await want(inDirectory('global', mapped(await warmer.content('global/pg_filenode.map')).values()));
  const databases = databaseDirectories(warmer);
  for (let at = 0; at < databases.length; at += TOGETHER) {
    const some = databases.slice(at, at + TOGETHER);
    // Where initdb put them they are as a rule, and need not be looked for.
    for (const directory of some)
      await want([`${directory}/pg_filenode.map`, `${directory}/PG_VERSION`, ...inDirectory(directory, hotOids)]);
    for (const directory of some) await want(await placesIn(directory, warmer));
  }
}

/** Files of the hot catalogs of a database directory, and their visibility maps, which index-only scans ask. */
async function placesIn(directory: string, warmer: Warmer): Promise<string[]> {
  const map = mapped(await warmer.content(`${directory}/pg_filenode.map`));
  const catalog = map.get(PG_CLASS);
  if (catalog === undefined) return [];
  const others = hotFilenodes(await warmer.content(`${directory}/${catalog}`));
  const files = inDirectory(directory, [...map.values(), ...others]);
  return [...files, ...files.map((file) => `${file}_vm`)];
}

/** Of a pg_filenode.map, what is hot. */
function mapped(bytes: Buffer): Map<number, number> {
  return new Map([...filenodeMap(bytes)].filter(([oid]) => hotOids.has(oid)));
}

function inDirectory(directory: string, filenodes: Iterable<number>): string[] {
  return [...filenodes].map((filenode) => `${directory}/${filenode}`);
}

/** The ends of the logs of transaction states, on which the newest transactions stand. */
function newestStates(warmer: Warmer): string[] {
  return ['pg_xact', 'pg_multixact/offsets', 'pg_multixact/members'].flatMap((directory) => {
    const newest = [...warmer.list(directory)].sort().at(-1);
    return newest === undefined ? [] : [`${directory}/${newest}`];
  });
}

/** `postgres`, the last that initdb makes, then those of users, also in tablespaces, then the templates. */
function databaseDirectories(warmer: Warmer): string[] {
  const base = [...warmer.list('base')].filter(isOid).map(Number);
  const made = base.filter((oid) => oid < FIRST_NORMAL_OID).sort((a, b) => b - a);
  const own = base.filter((oid) => oid >= FIRST_NORMAL_OID).sort((a, b) => a - b);
  const moved = [...warmer.list('pg_tblspc')]
    .filter(isOid)
    .flatMap((tablespace) =>
      [...warmer.list(`pg_tblspc/${tablespace}`)].map((name) => `pg_tblspc/${tablespace}/${name}`),
    )
    .flatMap((version) => {
      return [...warmer.list(version)].filter(isOid).map((oid) => `${version}/${oid}`);
    });
  const inBase = (oid: number): string => `base/${oid}`;
  return [...made.slice(0, 1).map(inBase), ...own.map(inBase), ...moved, ...made.slice(1).map(inBase)];
}

function isOid(name: string): boolean {
  return /^\d+$/.test(name);
}
