// Decodes the pages of one stored datafile over and over in one thread: `node decode.js ALG FILE SECONDS` prints MB/s of pages.

import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { decodePage } from '../../src/backup/codec/decode.js';
import { BLCKSZ, type CompressAlg } from '../../src/backup/index.js';

const [, , alg, file, seconds] = process.argv;
/** Some MB of pages: enough variety, and out of the processor's caches. */
const stream = readFileSync(file).subarray(0, 32 * 1024 * 1024);
const places: [start: number, end: number][] = [];
for (let at = 0; at + 8 <= stream.length; ) {
  const end = at + 8 + stream.readInt32LE(at + 4);
  if (end > stream.length) break;
  places.push([at + 8, end]);
  at = end;
}
const out = Buffer.alloc(128 * BLCKSZ);
const once = (): void => {
  places.forEach(([start, end], i) => {
    decodePage(alg as CompressAlg, stream, start, end, out, (i % 128) * BLCKSZ);
  });
};
once();
const begun = performance.now();
let rounds = 0;
do {
  once();
  rounds++;
} while (performance.now() - begun < Number(seconds) * 1000);
console.log((rounds * places.length * BLCKSZ) / 1e6 / ((performance.now() - begun) / 1000));
