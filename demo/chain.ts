// The backup chain that the demo mounts: instance `a` of the bundled catalog `mini`, its latest backup.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BLCKSZ, openCatalog, openChain, resolveChain } from '../src/backup/index.js';
import { type Answers, readAnswers } from '../test/support/answers.js';
import { unpack } from '../test/support/catalogs.js';
import { fixture } from '../test/support/paths.js';

export interface BundledChain {
  /** Path of the catalog. */
  readonly catalog: string;
  readonly instance: string;
  /** One line a backup, FULL first. */
  readonly members: readonly string[];
  /** Blocks of 8 KiB in all files of the mounted backup. */
  readonly blocks: number;
  /** What the source cluster answered before the backup. */
  readonly answers: Answers;
}

const NAME = 'mini';
const INSTANCE = 'a';

/** Unpacks the catalog into `directory`, which is created. */
export async function bundledChain(directory: string): Promise<BundledChain> {
  mkdirSync(directory, { mode: 0o700 });
  await unpack(fixture(`${NAME}.tar.zst`), directory);
  const path = join(directory, NAME, 'catalog');
  const chain = resolveChain(openCatalog(path), INSTANCE, 'latest');
  let blocks = 0;
  for (const { size } of openChain(chain).entries()) blocks += Math.ceil(size / BLCKSZ);
  return {
    catalog: path,
    instance: INSTANCE,
    members: chain.members.map(
      ({ id, mode, stream, compressAlg }) =>
        `${id}  ${(mode ?? '').padEnd(5)} ${stream ? 'STREAM ' : 'ARCHIVE'} compression ${compressAlg}`,
    ),
    blocks,
    answers: readAnswers(join(directory, NAME, 'truth', `${INSTANCE}.${chain.target.id}.queries.json`)),
  };
}
