// What validation finds wrong, as data that crosses threads and becomes a line or JSON.

/**
 * What is at fault. `page`: one block; `file`: a stored file as a whole; `map`: page_header_map; `list`, `wal`. `future`: the
 * LSN of one block, or of several in a file, is later than the backup's end; `suspected`: of a file, blocks may be lost; see
 * {@link isDamage}.
 */
export type ProblemKind = 'list' | 'file' | 'map' | 'page' | 'future' | 'suspected' | 'wal';

export interface Problem {
  readonly kind: ProblemKind;
  readonly backup: string;
  /** Relative to the backup's PGDATA, a byte string (latin1); the name of a WAL segment; backup_content.control. */
  readonly file: string;
  /** Block within the segment file. */
  readonly block?: number;
  readonly message: string;
}

/**
 * False for what deserves a look and is what was backed up all the same. In a backup of a standby, pages from the future are
 * nothing unusual (format page 2.2). What is only suspected could not be proved for want of WAL.
 */
export function isDamage({ kind }: Problem): boolean {
  return kind !== 'future' && kind !== 'suspected';
}
