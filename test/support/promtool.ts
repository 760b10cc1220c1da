// promtool and prometheus of the Debian package prometheus.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const PROMTOOL = '/usr/bin/promtool';
export const PROMETHEUS = '/usr/bin/prometheus';

/** Why promtool or prometheus cannot be used here; false where they can. For the `skip` option of a test. */
export const prometheusMissing: string | false =
  existsSync(PROMTOOL) && existsSync(PROMETHEUS) ? false : 'the Debian package prometheus is not installed';

/** Runs promtool; its exit status and everything it says. */
export function promtool(args: readonly string[], input = ''): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, [...args], { input, encoding: 'utf8', timeout: 60_000 });
  return { status, said: stdout + stderr };
}
