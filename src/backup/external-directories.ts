// The directories outside of PGDATA that a backup holds too (pg_probackup backup -E).

import type { BackupInfo } from './types.js';

/** Their original paths, in the order of backup.control; pg_probackup splits at every colon (format page 9.7). */
export function externalDirectories({ externalDirs }: BackupInfo): string[] {
  return (externalDirs ?? '').split(':').filter((path) => path !== '');
}
