// Recovery settings in the data directory itself, as `pg_probackup restore` leaves them (format page 9.5).

import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatLsn, formatTime, type RecoveryTarget, type TimelineTarget } from '../backup/wal/index.js';

/** What a mount writes for the server; plain data, since it travels to the mount process. */
export interface RecoveryConfig {
  readonly target: RecoveryTarget;
  readonly timeline: TimelineTarget;
  /** pg_probackup's default is `pause`. */
  readonly action: 'pause' | 'promote' | 'shutdown';
  /** Left to PostgreSQL (true) where it is missing. */
  readonly inclusive?: boolean;
  /** Where it is missing: from the mount itself. */
  readonly restoreCommand?: string;
  /** A standby: it follows `primaryConninfo`, and goes on when the archive ends. */
  readonly replica?: { readonly primaryConninfo?: string; readonly primarySlotName?: string };
}

/**
 * Fetches WAL that the mount serves, run by the server in its data directory. A missing file is status 1; what is there
 * and cannot be copied must abort recovery: above 125.
 */
export const MOUNT_RESTORE_COMMAND = 'test -e .pbkfs/wal/%f || exit 1; cp .pbkfs/wal/%f %p || exit 255';

/** Settings by name, in the order pg_probackup writes them. */
function configLines(config: RecoveryConfig): [name: string, value: string][] {
  const { target, timeline, action, inclusive, replica } = config;
  const lines: [string, string][] = [];
  switch (target.kind) {
    case 'time':
      lines.push(['recovery_target_time', formatTime(target.time)]);
      break;
    case 'lsn':
      lines.push(['recovery_target_lsn', formatLsn(target.lsn)]);
      break;
    case 'xid':
      lines.push(['recovery_target_xid', String(target.xid)]);
      break;
    case 'name':
      lines.push(['recovery_target_name', target.name]);
      break;
    case 'immediate':
      lines.push(['recovery_target', 'immediate']);
      break;
  }
  if (inclusive !== undefined) lines.push(['recovery_target_inclusive', String(inclusive)]);
  lines.push(['recovery_target_timeline', String(timeline)]);
  lines.push(['recovery_target_action', action]);
  lines.push(['restore_command', config.restoreCommand ?? MOUNT_RESTORE_COMMAND]);
  if (replica?.primaryConninfo !== undefined) lines.push(['primary_conninfo', replica.primaryConninfo]);
  if (replica?.primarySlotName !== undefined) lines.push(['primary_slot_name', replica.primarySlotName]);
  return lines;
}

export interface ConfigFiles {
  readonly dataDir: string;
  /** Of the backup; from 12 on recovery is configured in postgresql.auto.conf, before in recovery.conf. */
  readonly major: number;
  readonly backupId: string;
  readonly owner: { readonly uid: number; readonly gid: number };
}

/**
 * Writes the settings and the signal file, each whole. Settings of an earlier restore are taken out of
 * postgresql.auto.conf, other lines stay.
 */
export async function writeRecoveryConfig(files: ConfigFiles, config: RecoveryConfig): Promise<void> {
  const { dataDir, major, backupId, owner } = files;
  const standby = config.replica !== undefined;
  const lines = configLines(config);
  const now = new Date().toISOString().slice(0, 19).replace('T', ' ');
  const header = `# recovery settings added by pbkfs mount of backup ${backupId} at '${now}+00'\n`;
  if (major < 12) {
    // There 'current' is the default and no word for it.
    const known = lines.filter(([name, value]) => name !== 'recovery_target_timeline' || value !== 'current');
    const text = [...known, ...(standby ? [['standby_mode', 'on'] as const] : [])].map(line).join('');
    await replace(join(dataDir, 'recovery.conf'), `${header}${text}`, owner);
    return;
  }
  const path = join(dataDir, 'postgresql.auto.conf');
  // Other people's lines may be in any encoding: they stay the bytes they are.
  const kept = (await readFile(path, 'latin1').catch(absent))
    .split('\n')
    .filter((text) => !isOurs(text))
    .join('\n')
    .trimEnd();
  const ours = Buffer.from(`${kept === '' ? '' : '\n'}\n${header}${lines.map(line).join('')}`);
  await replace(path, Buffer.concat([Buffer.from(kept, 'latin1'), ours]), owner);
  const [wanted, other] = standby ? ['standby.signal', 'recovery.signal'] : ['recovery.signal', 'standby.signal'];
  await rm(join(dataDir, other), { force: true });
  await replace(join(dataDir, wanted), '', owner);
}

/** Lines that pg_probackup takes out before it adds its own. */
function isOurs(text: string): boolean {
  if (/restore_command|recovery_target|# recovery settings added by/.test(text)) return true;
  return text.includes('include') && text.includes('probackup_recovery.conf');
}

function line([name, value]: readonly [string, string]): string {
  return `${name} = ${settingValue(value)}\n`;
}

/** As PostgreSQL reads it in a configuration file: on one line, and a backslash begins an escape. */
export function settingValue(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll("'", "''")}'`;
}

async function replace(path: string, content: string | Buffer, owner: ConfigFiles['owner']): Promise<void> {
  const unfinished = `${path}.pbkfs-part`;
  const file = await open(unfinished, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.chown(owner.uid, owner.gid);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
}

function absent(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return '';
  throw error;
}
