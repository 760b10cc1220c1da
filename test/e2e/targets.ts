// The backups that tests mount: the small one most tests use, and every mountable one of a catalog.

import { join } from 'node:path';
import { checkBackup, openCatalog } from '../../src/backup/index.js';
import { type Answers, readAnswers } from '../support/answers.js';
import { type CatalogName, extractCatalog } from '../support/catalogs.js';
import type { MountTarget } from '../support/mount.js';
import type { Teardown } from '../support/postgres.js';
import { privateCatalog } from '../support/private-catalog.js';
import { loadManifests, type Manifest } from '../support/truth.js';

export interface AnsweredTarget extends MountTarget {
  readonly answers: Answers;
}

/**
 * A chain of FULL zlib, DELTA none, PAGE pglz, DELTA zlib with data checksums, 1 MB WAL segments and a tablespace;
 * the target is a STREAM backup. In a private copy of its catalog, removed at the end of the test.
 */
export async function smallStream(t: Teardown): Promise<AnsweredTarget> {
  const { catalog, truth } = await privateCatalog(t, 'mini');
  return { catalog, instance: 'a', backup: 'TOU5PO', answers: readAnswers(join(truth, 'a.TOU5PO.queries.json')) };
}

export interface BackupCase extends AnsweredTarget {
  readonly manifest: Manifest;
  /** False: the target needs WAL from the archive. */
  readonly stream: boolean;
  /** Why it must not be mounted. */
  readonly refusal: string | undefined;
}

/** Every backup of the catalog at `path`, a copy of `name`, that has a manifest of `pg_probackup restore`. */
export async function backupCases(name: CatalogName, path: string): Promise<BackupCase[]> {
  const directory = await extractCatalog(name);
  const catalog = openCatalog(path);
  return loadManifests(directory).map((manifest) => {
    const { instance, backupId } = manifest;
    const backup = catalog.backup(instance, backupId);
    return {
      catalog: path,
      instance,
      backup: backupId,
      manifest,
      answers: readAnswers(join(directory, 'truth', `${instance}.${backupId}.queries.json`)),
      stream: backup.stream,
      refusal: checkBackup(catalog.backups(instance), instance, backup).reason,
    };
  });
}
