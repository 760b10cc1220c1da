// Which files PostgreSQL makes for a short time and never syncs.

import type { Inode } from './namespace/inode.js';
import type { FileTable } from './shared/file-table.js';
import { rowFlag } from './shared/row-layout.js';

/**
 * Names that begin so: temporary files and their directories (PG_TEMP_FILE_PREFIX, storage/fd.h) and temporary
 * relations, tBACKEND_FILENODE (common/relpath.c).
 */
const TEMPORARY = /^(pgsql_tmp|t\d+_\d)/;

/** A name in `directory` leads to `inode` now. A file that is renamed away from such a name keeps the mark: it says nothing about what must last. */
export function markTemporary(table: FileTable, directory: Inode, name: string, inode: Inode): void {
  if (!TEMPORARY.test(name) && (directory.flags & rowFlag.temporary) === 0) return;
  inode.flags |= rowFlag.temporary;
  if (inode.row !== 0) table.addFlag(inode.row, rowFlag.temporary);
}
