// tablespace_map: which original directory each tablespace oid had.

/** Names that pg_backup_stop made for the backup and restore never puts into PGDATA (format page 9.4). */
export const TABLESPACE_MAP = 'tablespace_map';
export const DATABASE_MAP = 'database_map';

/**
 * Reads `<oid> <path>` lines; PostgreSQL escapes newline, carriage return and backslash in the path by a backslash.
 * @returns paths (byte strings) by oid
 */
export function parseTablespaceMap(bytes: Buffer): Map<string, string> {
  const map = new Map<string, string>();
  let line = '';
  const finish = () => {
    const match = /^(\d+) (.+)$/s.exec(line);
    if (match !== null) map.set(match[1]!, match[2]!);
    line = '';
  };
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === 0x0a || byte === 0x0d) finish();
    else if (byte === 0x5c && at + 1 < bytes.length) line += String.fromCharCode(bytes[++at]!);
    else line += String.fromCharCode(byte);
  }
  finish();
  return map;
}
