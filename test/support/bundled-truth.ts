// A bundled catalog beside what the real `pg_probackup restore` made of its backups.

import { join } from 'node:path';
import type { Test } from 'tap';
import { type Catalog, type Chain, openCatalog, openChain, resolveChain } from '../../src/backup/index.js';
import { unpack } from './catalogs.js';
import { fixture } from './paths.js';
import { readerTree, WholeFileReader } from './reader-tree.js';
import { compareWithTruth, loadManifests } from './truth.js';

/**
 * Compares every backup that has a manifest.
 * @param name of the archive in test/fixtures @param least contents that each must have
 * @returns the chains in the order of the manifests
 */
export async function readsAsRestored(
  t: Test,
  name: string,
  least: number,
): Promise<{ catalog: Catalog; chains: readonly Chain[] }> {
  const root = t.testdir({});
  await unpack(fixture(`${name}.tar.zst`), root);
  const directory = join(root, name);
  const catalog = openCatalog(join(directory, 'catalog'));
  const chains: Chain[] = [];
  for (const manifest of loadManifests(directory)) {
    const chain = resolveChain(catalog, manifest.instance, manifest.backupId);
    const files = new WholeFileReader();
    const result = await compareWithTruth(manifest, readerTree(openChain(chain), files));
    t.same(result.differences, [], `${manifest.name}: ${result.compared} names, ${result.hashed} contents`);
    t.ok(result.hashed >= least, 'files were compared');
    t.same(files.problems, [], 'nothing to complain about');
    chains.push(chain);
  }
  return { catalog, chains };
}
