// What a session makes of the WAL that its server will replay: what it says, and what it tells the server.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { backupIdOf, openCatalog } from '../../src/backup/index.js';
import { formatLsn } from '../../src/backup/wal/index.js';
import { planReplay, type Replaying, type ReplayPlan } from '../../src/session/replay-plan.js';
import { startTime, writeCatalog } from '../support/catalog-writer.js';
import { matchWhole } from '../support/match-whole.js';
import { temporaryDirectory } from '../support/swept.js';
import { WalWriter } from '../support/wal-writer.js';

const SEGMENT = 1 << 20;
const COMMITTED = 1_790_000_000 * 1e6;

/** The backup ends at the third record; a DROP DATABASE begins behind the commit. */
function replaying(t: Test): Replaying {
  const root = temporaryDirectory('pbkfs-plan-');
  t.teardown(() => rmSync(root, { recursive: true }));
  const wal = new WalWriter(0x20 * SEGMENT).record(100).record(100).record(100);
  wal.commit(9, COMMITTED).main(4, 0x20, Buffer.alloc(12), 9);
  wal
    .record(100)
    .commit(10, COMMITTED + 2e6)
    .fillTo(0x21 * SEGMENT);
  const [start, , stop] = wal.records;
  const control = { stream: 'false', 'start-lsn': formatLsn(start!), 'stop-lsn': formatLsn(stop!) };
  writeCatalog(root, [{ start: startTime(0), mode: 'FULL', files: [], control }]);
  const config = `system-identifier = 7\nxlog-seg-size = ${wal.segmentSize}\n`;
  writeFileSync(join(root, 'backups/main/pg_probackup.conf'), config);
  for (const [name, bytes] of wal.files()) writeFileSync(join(root, 'wal/main', name), bytes);
  const catalog = openCatalog(root);
  const user = { name: 'root', uid: 0, gid: 0 } as Replaying['user'];
  const binaries = { binDir: '/nowhere' } as Replaying['binaries'];
  const backup = catalog.backup('main', backupIdOf(startTime(0)));
  return { catalog, instance: 'main', backup, mountpoint: '/mnt', binaries, user, databases: undefined };
}

function planned(of: Replaying, time: number, isSettled: boolean): { plan: ReplayPlan; warnings: string[] } {
  const warnings: string[] = [];
  const progress = { step: () => undefined, detail: () => undefined, warn: (text: string) => void warnings.push(text) };
  const plan = planReplay(of, { target: { kind: 'time', time }, timeline: 'current' }, isSettled, progress);
  return { plan, warnings };
}

t.test('a target within a DROP DATABASE is moved ahead of it, where that can still be done', async (t) => {
  const of = replaying(t);
  const { plan, warnings } = planned(of, COMMITTED + 1e6, false);
  const at = formatLsn(plan.earlier!.target.lsn);
  matchWhole(t, warnings, [new RegExp(`recovery ends before it removes the files, at ${at}$`)]);
  t.match(plan.restoreCommand, '> 0000000000000020 ] && exit 1; ', 'no segment that was not looked at');
  t.strictSame([plan.inPlace, plan.bindings], [false, []]);
  const settled = planned(of, COMMITTED + 1e6, true);
  matchWhole(t, settled.warnings, [
    new RegExp(`its files will be gone: a new mount with --recovery-target-lsn ${at} has them`),
  ]);
  t.strictSame(planned(of, COMMITTED + 2e6, false).warnings, [], 'it is dropped by then');
});
