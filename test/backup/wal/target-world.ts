// Catalogs with made-up WAL behind one ARCHIVE backup, for tests of how far recovery gets.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { backupIdOf, openCatalog } from '../../../src/backup/index.js';
import {
  checkTarget,
  formatLsn,
  type RecoveryTarget,
  type TimelineTarget,
  WalPath,
} from '../../../src/backup/wal/index.js';
import { startTime, writeCatalog } from '../../support/catalog-writer.js';
import { temporaryDirectory } from '../../support/swept.js';
import { WalWriter } from '../../support/wal-writer.js';

export const SEGMENT = 1 << 20;
export const FIRST = 0x20 * SEGMENT;
export const NOON = Date.parse('2026-11-21T12:00:00Z') * 1000;
export const SECOND = 1_000_000;

/** Transactions 100, 101 … at noon and every second after; each fills half a segment. */
export function history(transactions: number): WalWriter {
  const wal = new WalWriter(FIRST).record(100).record(100);
  for (let n = 0; n < transactions; n++) {
    wal.fillTo(FIRST + (n + 1) * (SEGMENT / 2)).commit(100 + n, NOON + n * SECOND);
  }
  return wal;
}

interface World {
  readonly put: (name: string, bytes: Buffer | string) => void;
  readonly drop: (name: string) => void;
  /** Adds a line to pg_probackup.conf. */
  readonly configure: (line: string) => void;
  readonly path: (timeline?: TimelineTarget) => WalPath;
  readonly check: (target: RecoveryTarget, timeline?: TimelineTarget, inclusive?: boolean) => void;
}

/** An ARCHIVE backup that is consistent behind the second record. */
export function world(t: Test, wal: WalWriter, system = '7', more: Record<string, string> = {}): World {
  const root = temporaryDirectory('pbkfs-target-');
  t.teardown(() => rmSync(root, { recursive: true }));
  const control = {
    stream: 'false',
    'start-lsn': formatLsn(wal.records[0]!),
    'stop-lsn': formatLsn(wal.records[2]!),
    ...more,
  };
  writeCatalog(root, [{ start: startTime(0), mode: 'FULL', files: [], control }]);
  const config = `system-identifier = ${system}\nxlog-seg-size = ${SEGMENT}\n`;
  writeFileSync(join(root, 'backups/main/pg_probackup.conf'), config);
  const put: World['put'] = (name, bytes) => writeFileSync(join(root, 'wal/main', name), bytes);
  for (const [name, bytes] of wal.files()) put(name, bytes);
  const catalog = openCatalog(root);
  const backup = catalog.backup('main', backupIdOf(startTime(0)));
  return {
    put,
    configure: (line) => writeFileSync(join(root, 'backups/main/pg_probackup.conf'), `${config}${line}\n`),
    drop: (name) => rmSync(join(root, 'wal/main', name)),
    path: (timeline = 'current') => new WalPath(catalog, 'main', backup, timeline),
    check: (target, timeline = 'current', inclusive = true) =>
      checkTarget(catalog, 'main', backup, target, timeline, inclusive),
  };
}

export const xids = (path: WalPath): number[] =>
  [...path.events()].map((event) => (event.kind === 'commit' ? event.xid : -1));
export const reason = (call: () => void): string => {
  try {
    call();
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    return `${message}\n${hint}`;
  }
  return 'reached';
};
export const at = (seconds: number): RecoveryTarget => ({ kind: 'time', time: NOON + seconds * SECOND });
