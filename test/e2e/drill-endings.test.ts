// Drills whose server or mount does not end in order: that is a finding, and all of it goes nevertheless.

import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCatalog } from '../../src/backup/index.js';
import { findPostmaster } from '../../src/session/clean-up.js';
import { type Drilled, type DrillRequest, drill } from '../../src/session/drill/drill.js';
import { Guarded } from '../../src/session/guarded.js';
import { mountsBelow, nothingLeftIn } from '../support/left-behind.js';
import { matchWhole } from '../support/match-whole.js';
import { mountMissing } from '../support/mount.js';
import { serverTempDir } from '../support/postgres.js';
import { smallStream } from './targets.js';

interface Run {
  readonly drilled: Drilled;
  readonly steps: readonly string[];
  readonly scratch: string;
}

/**
 * @param onStep what happens to the mount at a step of the drill, or a detail of it
 * @param onFinish what happens before the guard takes away what is left
 */
async function drillOf(
  t: Test,
  request: Partial<DrillRequest>,
  onStep: (step: string, mountpoint: string) => void = () => undefined,
  onFinish: () => void = () => undefined,
): Promise<Run> {
  const { catalog, instance, backup } = await smallStream(t);
  const scratch = join(serverTempDir(t), 'scratch');
  mkdirSync(scratch, { mode: 0o711 });
  const steps: string[] = [];
  const progress = {
    step: (text: string): void => {
      steps.push(text);
      onStep(text, mountsBelow(scratch)[0] ?? '');
    },
    detail: (text: string): void => onStep(text, mountsBelow(scratch)[0] ?? ''),
    warn: () => undefined,
  };
  const guard = new (class extends Guarded {
    override async finish(): Promise<void> {
      onFinish();
      await super.finish();
    }
  })();
  const timeline = 'current' as const;
  const asked = { catalog, instance, timeline, amcheck: false, checksums: true, sql: [], database: 'postgres' };
  const drilled = await drill(
    { ...asked, jobs: 2, force: false, workDir: scratch, ...request },
    openCatalog(catalog).backup(instance, backup),
    guard,
    progress,
  );
  return { drilled, steps, scratch };
}

t.test('a server that does not stop in order: its pages are not checked', { skip: mountMissing }, async (t) => {
  const { drilled, scratch } = await drillOf(t, {}, (step, mountpoint) => {
    if (step === 'stopping the server') process.kill(findPostmaster(mountpoint)!.pid, 'SIGKILL');
  });
  t.notOk(drilled.passed);
  matchWhole(t, drilled.findings, [
    { check: 'recovery', passed: true },
    { check: 'recovery', passed: false, problems: [/^the server stopped with signal SIGKILL\n/] },
  ]);
  t.ok(drilled.diffBytes > 0);
  await nothingLeftIn(t, scratch);
});

t.test('a server that ends while its tables are checked', { skip: mountMissing }, async (t) => {
  let killed = false;
  const { drilled, steps, scratch } = await drillOf(t, { amcheck: true }, (text, mountpoint) => {
    // In the last database: nobody would notice when connecting to the next.
    if (killed || !/^(?!template1|postgres)\w+: 100 of \d+ relations$/.test(text)) return;
    killed = true;
    process.kill(findPostmaster(mountpoint)!.pid, 'SIGKILL');
  });
  t.notOk(drilled.passed);
  matchWhole(t, drilled.findings, [
    { check: 'recovery', passed: true },
    // Not one for every relation that was left.
    { check: 'amcheck', passed: false, what: 'not finished', problemCount: 1 },
    { check: 'recovery', passed: false, problems: [/^the server stopped with signal SIGKILL/] },
  ]);
  t.notOk(steps.includes('checking page checksums'));
  await nothingLeftIn(t, scratch);
});

t.test('a mount that somebody keeps in use', { skip: mountMissing }, async (t) => {
  let fd: number;
  const { drilled, scratch } = await drillOf(
    t,
    {},
    (step, mountpoint) => {
      if (step === 'taking it away') fd = openSync(mountpoint, 'r');
    },
    () => closeSync(fd),
  );
  t.notOk(drilled.passed);
  matchWhole(t, drilled.findings, [
    { check: 'recovery', passed: true },
    { check: 'checksums', passed: true },
    { check: 'recovery', passed: false, problems: [new RegExp(`is in use, .* process ${process.pid} `)] },
  ]);
  await nothingLeftIn(t, scratch);
});

t.test('a server that lets nobody in: it is stopped, and nothing is checked', { skip: mountMissing }, async (t) => {
  const { drilled, steps, scratch } = await drillOf(t, { role: 'nosuch' });
  matchWhole(t, drilled.findings, [{ check: 'recovery', passed: false, problems: [/nosuch/] }]);
  t.equal(drilled.passed, false);
  t.notOk(steps.includes('checking page checksums'));
  t.match(drilled.serverVersion, /^15\./, 'a server was there');
  await nothingLeftIn(t, scratch);
});
