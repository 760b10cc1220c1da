// The process that reads what a mount tells of itself.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readByChild } from '../../../src/mount/status/ask-mount.js';

t.test('is found whatever PATH says: a mount that answers is not called one that does not', async (t) => {
  const mountpoint = t.testdir();
  mkdirSync(join(mountpoint, '.pbkfs'));
  writeFileSync(join(mountpoint, '.pbkfs/stat'), '{}');
  const { PATH } = process.env;
  t.teardown(() => {
    process.env.PATH = PATH;
  });
  for (const path of [PATH!, '', '/nowhere']) {
    process.env.PATH = path;
    t.equal(await readByChild(mountpoint, 'stat', 60_000), '{}', `PATH=${path}`);
  }
});
