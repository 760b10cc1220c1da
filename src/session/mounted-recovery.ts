// What a server would do first on a mount that is there already: by its files, since somebody else has made them.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupInfo } from '../backup/index.js';
import { parseLsnNumber } from '../backup/wal/index.js';
import { readControlFile } from '../postgres/control-file.js';
import type { RecoveryConfig } from '../postgres/recovery-config.js';

const has = (dataDir: string, name: string): boolean => existsSync(join(dataDir, name));

/** Whether it would be a standby: it follows WAL without end. */
export function isStandby(dataDir: string): boolean {
  return has(dataDir, 'standby.signal');
}

export function isRecovering(dataDir: string): boolean {
  return has(dataDir, 'recovery.signal') || isStandby(dataDir);
}

/**
 * Whether a server on it would replay WAL of the backup, also after an earlier one has died in recovery or soon after:
 * backup_label has gone by then, and a server that was promoted makes its first checkpoint only later.
 */
export async function replaysBackup(dataDir: string, { stopLsn = '' }: BackupInfo): Promise<boolean> {
  if (isRecovering(dataDir) || has(dataDir, 'backup_label')) return true;
  const { state, redo, timeline } = await readControlFile(dataDir);
  if (state === 'shut down') return false;
  if (state === 'shut down in recovery' || state === 'in archive recovery') return true;
  return redo < (parseLsnNumber(stopLsn) ?? 0) || timeline < newestTimeline(join(dataDir, 'pg_wal'));
}

/** Of the histories of timelines: a server writes that of its own when it begins it. */
function newestTimeline(walDirectory: string): number {
  const histories = readdirSync(walDirectory).filter((name) => /^[0-9A-F]{8}\.history$/.test(name));
  return Math.max(0, ...histories.map((name) => Number.parseInt(name, 16)));
}

/** The target that a mount's settings name, for the check of the WAL; what cannot be told is all WAL there is. */
export function configuredTarget(dataDir: string): Pick<RecoveryConfig, 'target' | 'timeline'> | undefined {
  const text = settingsOf(dataDir);
  // A server that has ended recovery takes the signal away and leaves the settings.
  if (!isRecovering(dataDir) && !text.includes('# recovery settings added by pbkfs')) return undefined;
  const setting = (name: string): string => new RegExp(`^${name} = '(.*)'$`, 'm').exec(text)?.[1] ?? '';
  const number = Number(setting('recovery_target_timeline'));
  const timeline = number > 0 ? number : setting('recovery_target_timeline') === 'latest' ? 'latest' : 'current';
  const lsn = parseLsnNumber(setting('recovery_target_lsn'));
  // A millisecond more than it may be: what lies behind the target is looked at for nothing.
  const time = (Date.parse(setting('recovery_target_time').replace(' ', 'T').replace(/\+00$/, 'Z')) + 1) * 1000;
  if (setting('recovery_target') === 'immediate') return { target: { kind: 'immediate' }, timeline };
  if (lsn !== undefined) return { target: { kind: 'lsn', lsn }, timeline };
  return Number.isNaN(time) ? { target: { kind: 'latest' }, timeline } : { target: { kind: 'time', time }, timeline };
}

/** What the mount's settings say: a server that promotes at its target need not answer before. */
export function pausesAtTarget(dataDir: string): boolean {
  const text = settingsOf(dataDir);
  const hasTarget = /^recovery_target(_time|_lsn|_xid|_name)? = '.+'/m.test(text);
  return hasTarget && /^recovery_target_action = 'pause'/m.test(text);
}

function settingsOf(dataDir: string): string {
  return readFileSync(join(dataDir, 'postgresql.auto.conf'), 'latin1');
}
