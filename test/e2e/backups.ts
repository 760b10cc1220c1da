// What must hold for every backup of a catalog: the mounted tree is the restored one, PostgreSQL answers as before.

import type { Test } from 'tap';
import { countOf, READ_ONLY_SETTINGS, wrongAnswers } from '../support/answers.js';
import { type CatalogName, missingCatalog } from '../support/catalogs.js';
import { mountCatalog, mountMissing, pbkfs } from '../support/mount.js';
import { mountedTree } from '../support/mounted-tree.js';
import { serverTempDir, start } from '../support/postgres.js';
import { privateCatalog } from '../support/private-catalog.js';
import { hashTree } from '../support/tree.js';
import { compareWithTruth } from '../support/truth.js';
import { archiveRecovery } from '../support/wal-archive.js';
import { type BackupCase, backupCases } from './targets.js';

/** A test for each backup of a catalog, and one that the catalog is what it was before all of them. */
export async function testCatalog(t: Test, name: CatalogName): Promise<void> {
  await t.test(`every backup of ${name}`, { skip: mountMissing || missingCatalog(name) }, async (t) => {
    const { catalog } = await privateCatalog(t, name);
    const before = hashTree(catalog);
    for (const backup of await backupCases(name, catalog)) {
      if (backup.refusal === undefined) await testBackup(t, backup);
      else await testRefusal(t, backup, backup.refusal);
    }
    t.equal(hashTree(catalog), before, `${name}: not a byte of the catalog changed`);
  });
}

async function testBackup(t: Test, backup: BackupCase): Promise<void> {
  const { manifest } = backup;
  await t.test(`${manifest.name} is as restored (traps 1-10, 13, 14) and answers as its source`, async (t) => {
    // What a mount of an ARCHIVE backup adds, as restore does, is tested with recovery targets.
    const mount = await mountCatalog(t, backup, {}, ['--no-recovery-config']);
    const truth = await compareWithTruth(manifest, mountedTree(mount.mountpoint));
    t.strictSame(truth.differences, [], `${truth.compared} names, ${truth.hashed} contents`);
    t.ok(truth.hashed > 500, 'whole cluster compared');

    const recovery = backup.stream ? {} : { recovery: archiveRecovery(t, backup.catalog, backup.instance) };
    const server = await start(t, mount.mountpoint, { settings: READ_ONLY_SETTINGS, ...recovery });
    t.strictSame(await wrongAnswers(server, backup.answers), [], `${countOf(backup.answers)} answers`);
    await server.stop();
    await mount.unmount();
  });
}

async function testRefusal(t: Test, backup: BackupCase, reason: string): Promise<void> {
  await t.test(`${backup.manifest.name} is refused: ${reason} (trap 11)`, async (t) => {
    const directory = serverTempDir(t);
    const { catalog, instance, backup: id } = backup;
    const result = await pbkfs([
      'mount',
      '-B',
      catalog,
      '-I',
      instance,
      '-i',
      id,
      '-D',
      directory,
      '-d',
      `${directory}.diff`,
    ]);
    t.equal(result.status, 1);
    t.match(result.stderr, /^pbkfs: /);
    t.ok(result.stderr.split('\n')[0]!.includes(reason), result.stderr);
  });
}
