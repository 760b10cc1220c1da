// Settings of the backup that a server of ours does not follow, for the report: what production had switched on.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MOUNT_RESTORE_COMMAND } from '../postgres/recovery-config.js';

/** What reaches out of the data directory, or runs by itself. */
const TELLING = new Set(
  `archive_command archive_library archive_mode data_directory external_pid_file hba_file ident_file listen_addresses
   primary_conninfo primary_slot_name restore_command recovery_end_command archive_cleanup_command
   shared_preload_libraries session_preload_libraries local_preload_libraries ssl synchronous_standby_names
   log_directory unix_socket_directories stats_temp_directory cluster_name huge_pages logging_collector
   max_logical_replication_workers`.split(/\s+/),
);

/** `name = value` as the backup's own files give them; none where they lie outside of it (Debian's layout). */
export function switchedOff(dataDir: string): string[] {
  const found = new Map<string, string>();
  for (const file of ['postgresql.conf', 'postgresql.auto.conf']) {
    let text: string;
    try {
      text = readFileSync(join(dataDir, file), 'utf8');
    } catch {
      continue;
    }
    for (const line of text.split('\n')) {
      const match = /^\s*(\w+)\s*(?:=|\s)\s*('(?:[^']|'')*'|[^#\s]+)/.exec(line);
      const name = match?.[1]?.toLowerCase() ?? '';
      // The command that a mount wrote is followed.
      if (TELLING.has(name) && match![2] !== "''" && match![2] !== `'${MOUNT_RESTORE_COMMAND}'`)
        found.set(name, match![2]!);
    }
  }
  return [...found].map(([name, value]) => `${name} = ${value}`);
}
