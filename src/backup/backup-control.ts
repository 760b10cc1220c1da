// One backup's backup.control: from text to BackupInfo, with every fault kept inside that backup.

import { backupIdOf, canonicalId } from './backup-id.js';
import { parseBool, parseConfigText, parseTime } from './config-text.js';
import { BLCKSZ } from './constants.js';
import { parseProgramVersion } from './program-version.js';
import type { BackupInfo, BackupMode, BackupStatus } from './types.js';

const modes: readonly BackupMode[] = ['FULL', 'PAGE', 'PTRACK', 'DELTA'];
const statuses: readonly BackupStatus[] = [
  'OK',
  'DONE',
  'RUNNING',
  'ERROR',
  'CORRUPT',
  'ORPHAN',
  'MERGING',
  'MERGED',
  'DELETING',
];

/** Keys that pg_probackup 2.x writes (format page 2.2); others are ignored with a warning, as the tool does. */
const knownKeys = new Set(
  `backup-mode stream compress-alg compress-level from-replica block-size xlog-block-size checksum-version
   program-version server-version timelineid start-lsn stop-lsn start-time merge-time end-time recovery-xid
   recovery-time expire-time merge-dest-id data-bytes wal-bytes uncompressed-bytes pgdata-bytes status
   parent-backup-id primary-conninfo external-dirs note content-crc`.split(/\s+/),
);

/**
 * Reads backup.control.
 * @param bytes the file's content, or undefined when it is missing or cannot be read
 * @param directory absolute path of the backup's directory (latin1)
 * @param name the directory's name
 * @param unreadable why there are no bytes
 */
export function parseBackupControl(
  bytes: Buffer | undefined,
  directory: string,
  name: string,
  unreadable?: string,
): BackupInfo {
  const { values, badLines } = parseConfigText(bytes ?? Buffer.alloc(0));
  const problems: string[] = [];
  const warnings = badLines.map((line) => `backup.control has a line that is no "key = value": ${line.slice(0, 80)}`);
  for (const key of values.keys()) if (!knownKeys.has(key)) warnings.push(`backup.control has the unknown key ${key}`);

  const text = (key: string) => values.get(key);
  const parsed = <T>(key: string, parse: (value: string) => T | undefined, needed = false): T | undefined => {
    const value = values.get(key);
    const result = value === undefined ? undefined : parse(value);
    if (result !== undefined || (value === undefined && !needed)) return result;
    const fault = value === undefined ? 'is missing' : `cannot be understood: ${value.slice(0, 80)}`;
    (needed ? problems : warnings).push(`backup.control: ${key} ${fault}`);
    return undefined;
  };
  const id = (key: string) => parsed(key, (value) => (/^[0-9a-z]+$/i.test(value) ? value.toUpperCase() : undefined));

  const mode = parsed('backup-mode', parseMode, true);
  const status = parsed('status', parseStatus, true) ?? 'INVALID';
  const startTime = parsed('start-time', parseTime, true);
  const programVersion = text('program-version');
  const version = parsed('program-version', parseProgramVersion, true) ?? 0;
  // An absent size means the compiled-in default, one that cannot be read means nothing at all: 0 is refused later.
  const size = (key: string) => (values.has(key) ? (parsed(key, parseCount, true) ?? 0) : BLCKSZ);
  const blockSize = size('block-size');
  const xlogBlockSize = size('xlog-block-size');
  // Likewise a CRC that cannot be read must not become "not recorded".
  const contentCrc = values.has('content-crc') ? (parsed('content-crc', parseCount, true) ?? 0) : 0;

  const ownId = startTime === undefined ? name : backupIdOf(startTime);
  const sameName = canonicalId(name) === canonicalId(ownId);
  if (!sameName) warnings.push(`the directory is called ${name}, but its start-time belongs to ${ownId}`);
  if (bytes === undefined) problems.splice(0, problems.length, unreadable ?? 'backup.control is missing');
  else if (bytes.length === 0) problems.splice(0, problems.length, 'backup.control is empty');

  return {
    id: sameName ? name : ownId,
    directory,
    mode,
    status,
    problem: problems.length === 0 ? undefined : problems.join('; '),
    warnings,
    parentId: id('parent-backup-id'),
    startTime,
    endTime: parsed('end-time', parseTime),
    mergeTime: parsed('merge-time', parseTime),
    recoveryTime: parsed('recovery-time', parseTime),
    startLsn: text('start-lsn'),
    stopLsn: text('stop-lsn'),
    timeline: parsed('timelineid', parseCount),
    stream: parsed('stream', parseBool) ?? false,
    blockSize,
    xlogBlockSize,
    checksumVersion: parsed('checksum-version', parseCount) ?? 0,
    programVersion,
    version,
    serverVersion: text('server-version'),
    compressAlg: text('compress-alg'),
    dataBytes: parsed('data-bytes', parseCount),
    walBytes: parsed('wal-bytes', parseCount),
    pgdataBytes: parsed('pgdata-bytes', parseCount),
    primaryConninfo: text('primary-conninfo'),
    externalDirs: text('external-dirs'),
    note: text('note'),
    contentCrc,
  };
}

function parseMode(text: string): BackupMode | undefined {
  const word = text.trim().toUpperCase();
  return word === '' ? undefined : modes.find((mode) => mode.startsWith(word));
}

function parseStatus(text: string): BackupStatus | undefined {
  return statuses.find((status) => status === text);
}

function parseCount(text: string): number | undefined {
  return /^-?\d{1,19}$/.test(text) ? Number(text) : undefined;
}
