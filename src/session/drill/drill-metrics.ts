// The metrics of a drill, as a file for node_exporter's textfile collector.

import { readFileSync } from 'node:fs';
import { renderSamples, type Sample } from '../../metrics/exposition.js';
import { replaceFile } from '../../sys/durable-file.js';
import type { Drilled } from './drill.js';
import { checks } from './finding.js';

const LAST_SUCCESS = 'pbkfs_drill_last_success_timestamp_seconds';

/**
 * Replaces the file, readable for everybody, in one step.
 * @param passed false also where no backup could be drilled
 * @throws a system error; the old file is untouched then
 */
export async function writeDrillMetrics(
  file: string,
  source: { readonly catalog: string; readonly instance: string },
  drilled: readonly Drilled[],
  passed: boolean,
): Promise<void> {
  const now = Date.now() / 1000;
  const lastSuccess = passed ? now : lastSuccessIn(file);
  const samples: Sample[] = [
    { metric: 'pbkfs_drill_success', value: Number(passed) },
    { metric: 'pbkfs_drill_timestamp_seconds', value: now },
    ...(lastSuccess === undefined ? [] : [{ metric: LAST_SUCCESS, value: lastSuccess } as const]),
    ...drilled.flatMap(samplesOf),
  ];
  const { catalog, instance } = source;
  replaceFile(file, await renderSamples(samples, { catalog, backup_instance: instance }), 0o644);
}

function samplesOf(drilled: Drilled): Sample[] {
  const labels = { backup: drilled.backupId };
  const samples: Sample[] = [
    { metric: 'pbkfs_drill_duration_seconds', labels, value: drilled.seconds },
    { metric: 'pbkfs_drill_catalog_read_bytes', labels, value: drilled.catalogBytes },
    { metric: 'pbkfs_drill_diff_bytes', labels, value: drilled.diffBytes },
  ];
  if (drilled.backupEndTime !== null) {
    const value = Date.parse(drilled.backupEndTime) / 1000;
    samples.push({ metric: 'pbkfs_drill_backup_timestamp_seconds', labels, value });
  }
  for (const check of checks) {
    const found = drilled.findings.filter((finding) => finding.check === check && finding.skipped === undefined);
    if (found.length === 0) continue;
    const seconds = found.reduce((sum, finding) => sum + finding.seconds, 0);
    const passed = found.every((finding) => finding.passed);
    samples.push({ metric: 'pbkfs_drill_check_success', labels: { ...labels, check }, value: Number(passed) });
    samples.push({ metric: 'pbkfs_drill_check_duration_seconds', labels: { ...labels, check }, value: seconds });
  }
  return samples;
}

/** What an earlier drill has left there. */
function lastSuccessIn(file: string): number | undefined {
  try {
    const value = new RegExp(`^${LAST_SUCCESS}(?:\\{.*\\})? (\\S+)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
    return value === undefined || Number.isNaN(Number(value)) ? undefined : Number(value);
  } catch {
    return undefined;
  }
}
