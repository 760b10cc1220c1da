// What a server must know of global/pg_control before it is started on a data directory.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PbkfsError } from '../errors.js';

/** Settings recorded in pg_control; a server that replays WAL needs limits at least as large. */
export interface ControlFile {
  readonly state: ServerState;
  /** Where replay would begin, and on which timeline: of the last checkpoint. */
  readonly redo: number;
  readonly timeline: number;
  /** `minimal`, `replica` or `logical`. */
  readonly walLevel: 'minimal' | 'replica' | 'logical';
  readonly maxConnections: number;
  readonly maxWorkerProcesses: number;
  readonly maxWalSenders: number;
  readonly maxPreparedTransactions: number;
  readonly maxLocksPerTransaction: number;
  /** Bytes, a power of two from 1 MiB to 1 GiB. */
  readonly walSegmentSize: number;
  readonly checksums: boolean;
}

/** DBState of PostgreSQL, by number. */
const STATES = [
  'starting up',
  'shut down',
  'shut down in recovery',
  'shutting down',
  'in crash recovery',
  'in archive recovery',
  'in production',
] as const;
export type ServerState = (typeof STATES)[number];

/*
 * struct ControlFileData of src/include/catalog/pg_control.h, little-endian; these offsets hold for
 * PG_CONTROL_VERSION 1300 (PostgreSQL 13-16), 1700 (17) and 1800 (18): what was added fills gaps or comes behind.
 *
 *     8 u32 pg_control_version     16 u32 state               40 u64 redo of the checkpoint
 *    48 u32 its timeline          172 i32 wal_level           180 i32 MaxConnections
 *   184 i32 max_worker_processes  188 i32 max_wal_senders     192 i32 max_prepared_xacts
 *   196 i32 max_locks_per_xact    216 u32 blcksz              228 u32 xlog_seg_size
 *   252 u32 data_checksum_version
 */
const VERSIONS = [1300, 1700, 1800];
const WAL_LEVELS = ['minimal', 'replica', 'logical'] as const;

/**
 * Reads DATADIR/global/pg_control.
 * @throws PbkfsError server_failed for a layout we do not know; the system's error when the file cannot be read.
 */
export async function readControlFile(dataDir: string): Promise<ControlFile> {
  const path = join(dataDir, 'global', 'pg_control');
  const bytes = await readFile(path);
  const version = bytes.length >= 256 ? bytes.readUInt32LE(8) : 0;
  const walLevel = WAL_LEVELS[bytes.length >= 256 ? bytes.readInt32LE(172) : -1];
  if (!VERSIONS.includes(version) || walLevel === undefined) {
    throw new PbkfsError('server_failed', `${path}: control file version ${version} is not known`, {
      hint: 'PostgreSQL 13 to 18 are supported',
    });
  }
  return {
    state: STATES[bytes.readUInt32LE(16)] ?? 'in production',
    redo: Number(bytes.readBigUInt64LE(40)),
    timeline: bytes.readUInt32LE(48),
    walLevel,
    maxConnections: bytes.readInt32LE(180),
    maxWorkerProcesses: bytes.readInt32LE(184),
    maxWalSenders: bytes.readInt32LE(188),
    maxPreparedTransactions: bytes.readInt32LE(192),
    maxLocksPerTransaction: bytes.readInt32LE(196),
    walSegmentSize: bytes.readUInt32LE(228),
    checksums: bytes.readUInt32LE(252) !== 0,
  };
}
