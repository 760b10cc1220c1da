// Fixed sizes of PostgreSQL and pg_probackup storage that every part of the reader needs.

/** Bytes of one block (page). A pg_probackup handles those of the PostgreSQL it was built for, this reader 8 KiB only. */
export const BLCKSZ = 8192;

/**
 * Blocks of one full relation segment file (1 GiB) where pg_control does not say otherwise; block numbers in a page stream
 * are relative to their segment.
 */
export const RELSEG_BLOCKS = 131072;

/** Bytes of a page stream's record header: u32 block, i32 compressed_size. */
export const RECORD_HEADER = 8;

/** A cap that limits nothing (block numbers are u32). A number and not Infinity, because it must survive JSON. */
export const NO_CAP = 0xffffffff;

/** Sub-directory of a backup that mirrors PGDATA. */
export const DATABASE_DIR = 'database';

/** What PGDATA's directory of WAL may be called: before PostgreSQL 10 it had another name. */
export const WAL_NAMES: readonly string[] = ['pg_wal', 'pg_xlog'];

/** File type bits of st_mode as the content list stores them. */
export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;
export const S_IFLNK = 0o120000;
