// Whether a server on a mount that is there would replay WAL of the backup: by the state that the last one left.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openCatalog } from '../../src/backup/index.js';
import { parseLsnNumber } from '../../src/backup/wal/index.js';
import { replaysBackup } from '../../src/session/mounted-recovery.js';
import { smallStream } from '../e2e/targets.js';
import { newCluster } from '../support/postgres.js';

const STATE = 16;
const REDO = 40;
/** DBState of PostgreSQL. */
const state = { clean: 1, cleanStandby: 2, ending: 3, crashed: 4, recovering: 5, running: 6 };

t.test('a server replays WAL of the backup until a checkpoint lies behind it', async (t) => {
  const { catalog, instance, backup: id } = await smallStream(t);
  const backup = openCatalog(catalog).backup(instance, id);
  const stop = parseLsnNumber(backup.stopLsn!)!;
  const original = readFileSync(join(await newCluster(t), 'global/pg_control'));
  const dataDir = t.testdir();
  for (const directory of ['global', 'pg_wal']) mkdirSync(join(dataDir, directory));
  const answer = (number: number, redo: number): Promise<boolean> => {
    const control = Buffer.from(original);
    control.writeUInt32LE(number, STATE);
    control.writeBigUInt64LE(BigInt(redo), REDO);
    writeFileSync(join(dataDir, 'global/pg_control'), control);
    return replaysBackup(dataDir, backup);
  };
  t.equal(await answer(state.clean, stop - 100), false, 'shut down in order');
  for (const number of [state.cleanStandby, state.recovering])
    t.equal(await answer(number, stop + 100), true, `died in recovery (${number})`);
  for (const number of [state.running, state.ending, state.crashed]) {
    t.equal(await answer(number, stop - 100), true, 'no checkpoint behind the backup');
    t.equal(await answer(number, stop + 100), false, 'its own WAL only');
  }
  cpSync(join(dataDir, 'global/pg_control'), join(dataDir, 'pg_wal/00000002.history'));
  t.equal(await answer(state.running, stop + 100), true, 'promoted, with no checkpoint on its new timeline');
  rmSync(join(dataDir, 'pg_wal/00000002.history'));
  for (const name of ['backup_label', 'recovery.signal', 'standby.signal']) {
    writeFileSync(join(dataDir, name), '');
    t.equal(await answer(state.running, stop + 100), true, name);
    rmSync(join(dataDir, name));
  }
});
