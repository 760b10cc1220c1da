// The whole content of the file of a model check, read as the data engine does.

import type { DiffFile } from '../../../src/overlay/diff/index.js';
import { BLCKSZ, base, contentOf } from './model-base.js';
import { type Seen, UNIT } from './oracle.js';
import type { SimulatedDisk } from './simulated-disk.js';

const MAX_LENGTH = 4 * BLCKSZ;
const image = new Uint8Array(MAX_LENGTH);

export class Violation extends Error {}

/** @throws Violation for an object that is too short or a unit that is torn */
export function seenThrough(file: DiffFile, disk: SimulatedDisk, objectFd: number): Seen {
  const length = file.length();
  const units: number[] = [];
  for (let block = 0; block * BLCKSZ < length; block++) {
    const at = block * BLCKSZ;
    if (!file.isPresent(block)) base.readBlock(block, image, at);
    else {
      const got = disk.pread(objectFd, image, at, Math.min(BLCKSZ, length - at), at);
      if (got < Math.min(BLCKSZ, length - at)) throw new Violation(`object ends at ${at + got}, length is ${length}`);
    }
  }
  for (let unit = 0; unit * UNIT < length; unit++) {
    const start = unit * UNIT;
    const end = Math.min(length, start + UNIT) - 1;
    if (image[start] !== image[end] || image[start] !== image[start + 1000])
      throw new Violation(`unit ${unit} is torn`);
    units.push(contentOf(unit, image[start]));
  }
  return { length, units };
}
