// Every mountable backup of every real catalog, read through the overlay, equals what `pg_probackup restore` made of it.

import { readdirSync } from 'node:fs';
import t from 'tap';
import { checkBackup, openCatalog } from '../../src/backup/index.js';
import { catalogNames, extractCatalog, missingCatalog } from '../support/catalogs.js';
import { DirectOverlay } from '../support/direct-overlay.js';
import { directTree } from '../support/direct-tree.js';
import { scratchDirectory } from '../support/small-catalog.js';
import { compareWithTruth, loadManifests } from '../support/truth.js';

const scratch = scratchDirectory();

for (const name of catalogNames) {
  t.test(
    `catalog ${name} reads as restored, and leaves the diff empty (trap 36)`,
    { skip: missingCatalog(name) },
    async (t) => {
      const directory = await extractCatalog(name);
      const catalog = `${directory}/catalog`;
      for (const manifest of loadManifests(directory)) {
        const backups = openCatalog(catalog).backups(manifest.instance);
        const target = backups.find((backup) => backup.id === manifest.backupId)!;
        const force = target.status === 'CORRUPT' || target.status === 'ORPHAN';
        if (!checkBackup(backups, manifest.instance, target, { force }).mountable) {
          t.equal(name, 'merging', `${manifest.name} is refused`);
          continue;
        }
        const diff = `${scratch}/${manifest.name.replace('/', '.')}`;
        const { instance, backupId: backup } = manifest;
        const direct = new DirectOverlay({ catalog, instance, backup, force, diff });
        const tree = directTree(direct);
        if (manifest.name === 'states/main.TOU3WS') {
          // Its manifest is from before one byte was flipped; that block must be an error, not other content.
          await t.rejects(compareWithTruth(manifest, tree), {
            code: 'page_damaged',
            message: /TOU3WS.*2659: block 10/,
          });
        } else {
          const result = await compareWithTruth(manifest, tree);
          t.same(result.differences, [], `${manifest.name}: no difference but the allowed ones`);
          t.ok(result.hashed > 900, `${manifest.name}: ${result.hashed} files compared`);
        }
        t.same(readdirSync(`${diff}/objects`), [], `${manifest.name}: no object was made`);
        direct.close();
      }
    },
  );
}
