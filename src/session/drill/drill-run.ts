// Drills of one instance: which backups, one after the other, and what is left for cron to read.

import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BackupInfo, findPassedOver, openCatalog, type PassedOver } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import { checkReplaceable } from '../../sys/ordinary-file.js';
import { chooseAll, chooseBackup } from '../choose-backup.js';
import { Guarded } from '../guarded.js';
import type { SessionProgress } from '../session-request.js';
import { type Drilled, type DrillRequest, drill } from './drill.js';
import { writeDrillMetrics } from './drill-metrics.js';
import type { SqlFile } from './sql-check.js';

export interface DrillRunRequest extends Omit<DrillRequest, 'sql'> {
  /** Absolute paths of files of SQL. */
  readonly sql: readonly string[];
  /** The newest that can be mounted where it is missing. */
  readonly backupId?: string;
  /** Every backup that can be mounted. */
  readonly all: boolean;
  readonly metricsFile?: string;
}

export interface DrillRun {
  readonly catalog: string;
  readonly instance: string;
  readonly passed: boolean;
  readonly backups: readonly Drilled[];
  /** Backups that were not drilled because they cannot be mounted, of those newer than the last that was. */
  readonly passedOver: readonly PassedOver[];
}

export interface DrillListener {
  readonly drilled: (drilled: Drilled) => void;
  readonly ended: (run: DrillRun) => void;
}

/**
 * @param listener told of what has been found before the metrics file is written
 * @throws PbkfsError when there is nothing to drill; the metrics file says so too
 */
export async function drillBackups(
  request: DrillRunRequest,
  progress: SessionProgress,
  listener: DrillListener,
): Promise<void> {
  const { catalog, instance, metricsFile } = request;
  const source = { catalog, instance };
  const backups: Drilled[] = [];
  let run: DrillRun;
  try {
    // Once for all backups: a pipe cannot be read again.
    const sql = request.sql.map(readSql);
    if (metricsFile !== undefined) {
      writable(metricsFile);
      if (!metricsFile.endsWith('.prom'))
        progress.warn(`${metricsFile}: node_exporter reads only names that end in .prom`);
    }
    const chosen = request.all ? chooseAll(request) : [chooseBackup(request)];
    for (const backup of chosen) {
      const drilled = await drill({ ...request, sql }, backup, new Guarded(), progress);
      backups.push(drilled);
      listener.drilled(drilled);
    }
    const passed = backups.every((drilled) => drilled.passed);
    run = { ...source, passed, backups, passedOver: notDrilled(request, chosen) };
  } catch (error) {
    if (metricsFile !== undefined && !isUsage(error)) {
      // What went wrong first says more.
      await writeDrillMetrics(metricsFile, source, backups, false).catch((failure: Error) =>
        progress.warn(`the metrics could not be written: ${failure.message}`),
      );
    }
    throw error;
  }
  listener.ended(run);
  // What cannot be written is no reason to write that the drill failed.
  if (metricsFile !== undefined) await writeDrillMetrics(metricsFile, source, backups, run.passed);
}

/** A newest backup that is no good must not hide behind an older one that is. */
function notDrilled(
  { catalog, instance, backupId, all, force }: DrillRunRequest,
  chosen: readonly BackupInfo[],
): PassedOver[] {
  if (backupId !== undefined && backupId.toLowerCase() !== 'latest') return [];
  const backups = openCatalog(catalog).backups(instance);
  const newest = backups.find(({ id }) => id === chosen[0]!.id);
  return findPassedOver(backups, instance, all ? undefined : newest, { force });
}

function readSql(path: string): SqlFile {
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    throw new PbkfsError('usage', `cannot read ${path}: ${(error as NodeJS.ErrnoException).code}`, {
      hint: '--sql takes a file of statements that this user may read',
      cause: error,
    });
  }
}

/** Whoever waits for the file must not learn after an hour that it cannot be written. */
function writable(file: string): void {
  checkReplaceable(
    file,
    '--metrics-file wants a name of its own, ending in .prom, in the directory that node_exporter reads',
  );
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (error) {
    throw new PbkfsError('usage', `cannot write ${file}: ${(error as NodeJS.ErrnoException).code}`, {
      hint: '--metrics-file wants a directory that is there and that this user may write to',
      cause: error,
    });
  }
}

function isUsage(error: unknown): boolean {
  return error instanceof PbkfsError && error.code === 'usage';
}
