// Shorthand for tests on made-up catalogs: write one, open a chain of it, read whole files.

import path from 'node:path';
import { backupIdOf, type ChainReader, openCatalog, openChain, resolveChain } from '../../src/backup/index.js';
import { type BackupSpec, writeCatalog } from './catalog-writer.js';
import { WholeFileReader } from './reader-tree.js';

export interface Synthetic {
  readonly root: string;
  readonly reader: ChainReader;
  /** Reads a file of the target through the public API. */
  read(path: string): Buffer;
  /** What the index builder complained about so far. */
  readonly problems: string[];
}

/**
 * Writes the backups (the last one is the target) and opens its chain.
 * @param directory an empty directory, such as t.testdir()
 */
export function openSynthetic(directory: string, backups: readonly BackupSpec[], { force = false } = {}): Synthetic {
  const root = writeCatalog(path.join(directory, 'catalog'), backups);
  const target = backupIdOf(backups.at(-1)!.start);
  const reader = openChain(resolveChain(openCatalog(root), 'main', target, { force }));
  const files = new WholeFileReader();
  return { root, reader, read: (name) => files.read(reader, name), problems: files.problems };
}
