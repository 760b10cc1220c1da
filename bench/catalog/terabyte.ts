// A cluster with a relation of a terabyte that takes a few megabytes: all its pages are zeros, all its segments are one file.

import zlib from 'node:zlib';
import { BLCKSZ, RELSEG_BLOCKS } from '../../src/backup/index.js';
import type { BackupWriter, StoredFile, StoredPage } from './backup-writer.js';

const RELATION = 'base/5/90000';

/** Path of a segment of the large relation. */
export function segmentPath(segment: number): string {
  return segment === 0 ? RELATION : `${RELATION}.${segment}`;
}

/** Adds the relation of so many segments of 1 GiB; the increments have nothing new of it. */
export function addTerabyte(segments: number): (backup: BackupWriter, layer: number) => void {
  return (backup, layer) => {
    let first: StoredFile | undefined;
    for (let segment = 0; segment < segments; segment++) {
      const path = segmentPath(segment);
      if (layer > 0) backup.addUnchanged(path, RELSEG_BLOCKS);
      else if (first === undefined) first = backup.addStream(path, 'zlib', RELSEG_BLOCKS, zeroPages());
      else backup.addCopy(path, first);
    }
  };
}

function* zeroPages(): Generator<StoredPage> {
  const payload = zlib.deflateSync(Buffer.alloc(BLCKSZ), { level: 1 });
  for (let block = 0; block < RELSEG_BLOCKS; block++) yield { block, payload, checksum: 0 };
}
