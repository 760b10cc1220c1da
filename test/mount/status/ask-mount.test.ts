// The process that reads what a mount tells of itself.

import { execFileSync } from 'node:child_process';
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

t.test('why a mount does not tell: nothing is there, or it takes too long', async (t) => {
  const mountpoint = t.testdir({ '.pbkfs': { empty: '' } });
  execFileSync('mkfifo', [join(mountpoint, '.pbkfs/hangs')]);
  // The child keeps no program alive.
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(alive));
  const silence = (name: string, patience: number) => readByChild(mountpoint, name, patience);
  t.match(await silence('gone', 60_000), { reason: /gone: No such file or directory$/, killed: false });
  t.match(await silence('empty', 60_000), { reason: 'it says nothing', killed: false });
  t.match(await silence('hangs', 300), { killed: true });
});
