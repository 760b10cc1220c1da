// What PostgreSQL does with all files before it recovers (SyncDataDirectory): `node walk.js DIRECTORY FILES` goes through the
// directories below DIRECTORY until it has met FILES files, twice: every file is opened, then every file is opened and
// fsynced. Prints the seconds.

import { closeSync, fsyncSync, openSync, readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

const [, , root, limit] = process.argv;

function walk(act: (path: string) => void): number {
  let files = 0;
  const into = (directory: string): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (files >= Number(limit)) return;
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory()) into(path);
      else {
        files++;
        act(path);
      }
    }
  };
  into(root!);
  return files;
}

const begun = performance.now();
walk((path) => closeSync(openSync(path, 'r+')));
const files = walk((path) => {
  const fd = openSync(path, 'r+');
  fsyncSync(fd);
  closeSync(fd);
});
console.log(JSON.stringify({ seconds: (performance.now() - begun) / 1000, files }));
