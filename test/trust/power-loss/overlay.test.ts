// Power loss of the whole overlay on real file systems: what was fsynced is there, what was not is old or new (trap 31).
//
// PBKFS_POWER_LOSS_LIVES (per file system) and PBKFS_TEST_SEED make longer and other runs.

import t, { type Test } from 'tap';
import { type DiskType, diskMissing, ForgetfulDisk } from '../../support/forgetful-disk.js';
import { PowerSwitch } from '../../support/power-switch.js';
import { scratchDirectory, writeSmallCatalog } from '../../support/small-catalog.js';
import { Lives, type LivesReport } from './lives.js';

t.setTimeout(0);

const catalog = writeSmallCatalog(`${scratchDirectory()}/catalog`);
const wanted = Number(process.env.PBKFS_POWER_LOSS_LIVES ?? 40);
const firstSeed = Number(process.env.PBKFS_TEST_SEED ?? Date.now() % 1_000_000);
/** Lives of one diff: state is handed on from one to the next. */
const LIVES = 20;

interface LifeOptions {
  /** Syncs of such files are left out. */
  readonly forget?: RegExp;
  readonly materializeOnRead?: boolean;
}

/** Runs diffs of LIVES lives each until there are `count` or something is found. */
function live(
  t: Test,
  type: DiskType,
  count: number,
  { forget, materializeOnRead = false }: LifeOptions = {},
): LivesReport & { seed: number } {
  const disk = new ForgetfulDisk(t, type);
  const power = new PowerSwitch(disk);
  t.teardown(() => power.remove());
  power.forget(forget);
  let sum: LivesReport = { lives: 0, powerCuts: 0, kills: 0, cutsOfMounts: 0, cutsOfEnds: 0, operations: 0, fsyncs: 0 };
  for (let seed = firstSeed; ; seed++) {
    const report = new Lives(disk, power, catalog, seed, materializeOnRead).run(LIVES);
    sum = added(sum, report);
    if (report.violation !== undefined) return { ...sum, violation: report.violation, seed };
    if (sum.lives >= count) return { ...sum, seed };
  }
}

function added(a: LivesReport, b: LivesReport): LivesReport {
  const names = ['lives', 'powerCuts', 'kills', 'cutsOfMounts', 'cutsOfEnds', 'operations', 'fsyncs'] as const;
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as unknown as LivesReport;
}

for (const [type, count] of [
  ['ext4', wanted],
  ['xfs', Math.ceil(wanted / 4)],
] as const) {
  t.test(`${type}: what was fsynced survives every cut (trap 31)`, { skip: diskMissing(type) }, (t) => {
    const { seed, violation, ...report } = live(t, type, count);
    t.equal(violation, undefined, `seed ${seed}`);
    t.ok(report.powerCuts >= report.lives && report.fsyncs > report.lives / 2, JSON.stringify(report));
    t.end();
  });
}

t.test('ext4: the same while what is read is copied into the diff', { skip: diskMissing('ext4') }, (t) => {
  const { seed, violation, ...report } = live(t, 'ext4', Math.ceil(wanted / 4), { materializeOnRead: true });
  t.equal(violation, undefined, `seed ${seed}`);
  t.ok(report.powerCuts >= report.lives, JSON.stringify(report));
  t.end();
});

t.test('the test finds what it is for: a forgotten fdatasync is noticed', { skip: diskMissing('ext4') }, (t) => {
  const faults: [string, RegExp][] = [
    ['of data', /\/objects\/[0-9a-f]{32}$/],
    ['of block maps', /\/objects\/[0-9a-f]{32}\.map$/],
    ['of the journal', /\/journal(\.new)?$/],
  ];
  for (const [name, path] of faults) {
    const { violation, lives } = live(t, 'ext4', 400, { forget: path });
    t.ok(violation, `${name}: noticed in life ${lives}: ${violation?.split('\n')[0]}`);
  }
  t.end();
});
