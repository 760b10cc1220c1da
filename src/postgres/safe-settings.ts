// The settings that keep a server started on a backup away from everything its configuration may point at.

import { PbkfsError } from '../errors.js';
import type { ControlFile } from './control-file.js';
import { type ConfiguredRecovery, type Recovery, recoverySettings } from './recovery.js';

/** Where a server's own files are: outside its data directory, private to its user. */
export interface PrivateFiles {
  readonly socketDir: string;
  readonly configFile: string;
  readonly hbaFile: string;
  readonly identFile: string;
  readonly externalPidFile: string;
}

export interface SafeSettingsInput {
  readonly major: number;
  readonly dataDir: string;
  readonly files: PrivateFiles;
  /** Number in the name of its socket. */
  readonly port: number;
  readonly control: ControlFile;
  readonly recovery?: Recovery | ConfiguredRecovery | undefined;
  /** The caller's own settings; none of the protected ones. */
  readonly extra?: Readonly<Record<string, string>> | undefined;
  /** Libraries of the backup's configuration that its WAL or its data cannot do without. */
  readonly preload?: string | undefined;
}

/** Clients that a server of ours takes at a time, whatever the backup's limit is. */
export const MAX_CLIENTS = 64;

/** A backup's limit counts where it is larger: replay would fail with less. Some are reserved. */
const LEAST_CONNECTIONS = MAX_CLIENTS + 16;
const MIB = 1024 * 1024;

/**
 * All settings of a server on a mounted backup, to be given as `-c name=value`: the command line outranks
 * postgresql.auto.conf, which a server always reads from its data directory.
 * @throws PbkfsError usage when `extra` would override a protected setting.
 */
export function safeSettings(input: SafeSettingsInput): Record<string, string> {
  const protectedSettings = {
    ...ownFiles(input),
    ...nothingOutside(input.major),
    ...recoverySettings(input.recovery),
    ...(input.preload === undefined ? {} : { shared_preload_libraries: input.preload }),
  };
  for (const name of Object.keys(input.extra ?? {})) {
    if (Object.hasOwn(protectedSettings, name.toLowerCase())) {
      throw new PbkfsError('usage', `the setting ${name} is fixed for servers on a mounted backup`, {
        hint: 'some have an option of their own (pbkfs start --help); else run a server of your own on "pbkfs mount"',
      });
    }
  }
  return { ...modest(input.control), ...input.extra, ...protectedSettings };
}

function ownFiles({ dataDir, files, port }: SafeSettingsInput): Record<string, string> {
  return {
    data_directory: dataDir,
    config_file: files.configFile,
    hba_file: files.hbaFile,
    ident_file: files.identFile,
    // Not empty: the server would complain that it cannot write "".
    external_pid_file: files.externalPidFile,
    unix_socket_directories: files.socketDir,
    unix_socket_permissions: '0700',
    unix_socket_group: '',
    listen_addresses: '',
    port: String(port),
  };
}

/** No network, no archive, no shell command, no log or statistics directory, no library of the backup's choosing. */
function nothingOutside(major: number): Record<string, string> {
  return {
    archive_mode: 'off',
    archive_command: '',
    archive_cleanup_command: '',
    recovery_end_command: '',
    primary_conninfo: '',
    primary_slot_name: '',
    synchronous_standby_names: '',
    max_logical_replication_workers: '0',
    shared_preload_libraries: '',
    session_preload_libraries: '',
    local_preload_libraries: '',
    dynamic_library_path: '$libdir',
    logging_collector: 'off',
    log_destination: 'stderr',
    ssl: 'off',
    ssl_passphrase_command: '',
    krb_server_keyfile: '',
    bonjour: 'off',
    jit: 'off',
    huge_pages: 'off',
    lc_messages: 'C',
    cluster_name: '',
    // What went wrong must be told.
    log_min_messages: 'warning',
    ...(major >= 15 ? { archive_library: '' } : { stats_temp_directory: 'pg_stat_tmp' }),
    ...(major <= 15 ? { promote_trigger_file: '' } : {}),
    // Triggers at a login may do anything.
    ...(major >= 17 ? { event_triggers: 'off' } : {}),
  };
}

/** Enough for what the WAL to be replayed demands, small otherwise. */
function modest(control: ControlFile): Record<string, string> {
  return {
    wal_level: control.walLevel === 'logical' ? 'logical' : 'replica',
    max_connections: String(Math.max(control.maxConnections, LEAST_CONNECTIONS)),
    max_worker_processes: String(control.maxWorkerProcesses),
    max_wal_senders: String(control.maxWalSenders),
    max_prepared_transactions: String(control.maxPreparedTransactions),
    max_locks_per_transaction: String(control.maxLocksPerTransaction),
    // The server refuses less than two WAL segments.
    min_wal_size: `${Math.max(80, (control.walSegmentSize / MIB) * 2)}MB`,
    max_wal_size: `${Math.max(1024, (control.walSegmentSize / MIB) * 4)}MB`,
    shared_buffers: '64MB',
    // What production had switched on to get over damage: here nothing must be missing unseen.
    zero_damaged_pages: 'off',
    ignore_checksum_failure: 'off',
    ignore_invalid_pages: 'off',
    log_timezone: 'UTC',
    timezone: 'UTC',
  };
}
