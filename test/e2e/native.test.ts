// PostgreSQL 15 on a mount through fuse-native: the restored bytes, changes of every kind, restart, crash, kill -9, remount.

import t from 'tap';
import { wrongAnswers } from '../support/answers.js';
import { mountCatalog, pbkfs } from '../support/mount.js';
import { mountedTree } from '../support/mounted-tree.js';
import { nativeMissing, throughNative } from '../support/native.js';
import { query, start } from '../support/postgres.js';
import { hashTree } from '../support/tree.js';
import { compareWithTruth } from '../support/truth.js';
import { DATABASE, insertRows, runWorkload } from '../support/workload.js';
import { backupCases, smallStream } from './targets.js';

const settings = { autovacuum: 'off', checkpoint_timeout: '30s' };

t.test(
  'fuse-native: as restored; changes survive restart, crash, kill -9, remount',
  { skip: nativeMissing },
  async (t) => {
    const target = await smallStream(t);
    const catalogBefore = hashTree(target.catalog);
    const mount = await mountCatalog(t, target, throughNative);
    const dataDir = mount.mountpoint;
    const [backup] = (await backupCases('mini', target.catalog)).filter((one) => one.backup === target.backup);
    const truth = await compareWithTruth(backup!.manifest, mountedTree(dataDir));
    t.strictSame(truth.differences, [], `${truth.compared} names, ${truth.hashed} contents`);

    let server = await start(t, dataDir, { settings });
    const answers = { ...target.answers, ...(await runWorkload(server, 'app')) };
    answers.postgres = { ...target.answers.postgres, ...answers.postgres };
    t.strictSame(await wrongAnswers(server, answers), [], 'after create, copy, truncate, vacuum full, drop');

    const rows = await insertRows(server, 'committed', 100);
    await server.crash();
    server = await start(t, dataDir, { settings });
    t.equal(await query(server, 'select max(n) from committed', DATABASE), String(rows), 'after kill -9 of the server');
    const { stdout } = await pbkfs(['info', dataDir, '--json']);
    t.match(stdout, '"fuse-native"', 'info says what serves the mount');
    await server.stop();

    await mount.kill9();
    await mount.unmountDead();
    await mount.remount();
    server = await start(t, dataDir, { settings });
    t.equal(
      await query(server, 'select count(*) from committed', DATABASE),
      String(rows),
      'after kill -9 of the mount',
    );
    t.strictSame(await wrongAnswers(server, answers), []);
    await server.stop();
    await mount.unmount();
    t.equal(hashTree(target.catalog), catalogBefore, 'not a byte of the catalog changed');
  },
);
