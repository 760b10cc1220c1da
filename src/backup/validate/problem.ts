// What validation finds wrong, as data that crosses threads and becomes a line or JSON.

/** What is at fault. `page`: one block; `file`: a stored file as a whole; `map`: page_header_map; `list`, `wal`. */
export type ProblemKind = 'list' | 'file' | 'map' | 'page' | 'wal';

export interface Problem {
  readonly kind: ProblemKind;
  readonly backup: string;
  /** Relative to the backup's PGDATA, a byte string (latin1); the name of a WAL segment; backup_content.control. */
  readonly file: string;
  /** Block within the segment file. */
  readonly block?: number;
  readonly message: string;
}
