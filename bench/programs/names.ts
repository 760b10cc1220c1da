// Operations on names, one process: `node names.js OPERATION DIRECTORY SECONDS` prints how many a second.
// DIRECTORY holds `files/` with FILES files, made by `node names.js prepare DIRECTORY 0`.

import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

const FILES = 1000;

const [, , operation, directory, seconds] = process.argv;
const files = `${directory}/files`;
const names = Array.from({ length: FILES }, (_, i) => `${files}/${16384 + i}`);
const fresh = Array.from({ length: FILES }, (_, i) => `${directory}/new${i}`);

/** ms that the operations themselves took, and how many they were. */
type Batch = () => [milliseconds: number, operations: number];

function timed(operations: number, act: () => void): [number, number] {
  const begun = performance.now();
  act();
  return [performance.now() - begun, operations];
}

const create = (): void => {
  for (const name of fresh) closeSync(openSync(name, 'wx'));
};
const unlink = (): void => {
  for (const name of fresh) unlinkSync(name);
};

const batches: Readonly<Record<string, Batch>> = {
  'open+close': () =>
    timed(FILES, () => {
      for (const name of names) closeSync(openSync(name, 'r'));
    }),
  stat: () =>
    timed(FILES, () => {
      for (const name of names) statSync(name);
    }),
  create: () => {
    const result = timed(FILES, create);
    unlink();
    return result;
  },
  unlink: () => {
    create();
    return timed(FILES, unlink);
  },
  'readdir+stat': () =>
    timed(FILES, () => {
      for (const name of readdirSync(files)) statSync(`${files}/${name}`);
    }),
};

if (operation === 'prepare') {
  mkdirSync(files, { recursive: true });
  for (const name of names) writeFileSync(name, name);
  const fd = openSync(files, 'r');
  fsyncSync(fd);
  closeSync(fd);
} else {
  const batch = batches[operation]!;
  batch();
  let milliseconds = 0;
  let operations = 0;
  const end = performance.now() + Number(seconds) * 1000;
  while (operations === 0 || performance.now() < end) {
    const [more, done] = batch();
    milliseconds += more;
    operations += done;
  }
  console.log(JSON.stringify({ value: operations / (milliseconds / 1000), operations }));
}
