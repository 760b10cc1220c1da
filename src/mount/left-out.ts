// What a backup has and a mount of it does not show.

/**
 * @param directories as externalDirectories() gives them
 * @returns a line for people, or none
 */
export function leftOut(directories: readonly string[]): string[] {
  if (directories.length === 0) return [];
  const list = directories.join(', ');
  return [`external directories of the backup are left out: ${list}; "pg_probackup restore" brings them back`];
}
