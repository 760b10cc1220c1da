// What an export notices of a mount that is written to without its process, and so without a counter.

import { appendFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MountedTree } from '../../../src/mount/export/tree-source.js';
import { temporaryDirectory } from '../../support/swept.js';

t.test('a file that changes after it was to be copied', async (t) => {
  const base = temporaryDirectory('pbkfs-tree-');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const file = join(base, 'file');
  const changes = {
    'grown, with its time set back': () => {
      const { atime, mtime } = statSync(file);
      appendFileSync(file, 'more');
      utimesSync(file, atime, mtime);
    },
    'written in place': () => utimesSync(file, 1000, 1_600_000_000),
    gone: () => rmSync(file),
  };
  for (const [what, change] of Object.entries(changes)) {
    writeFileSync(file, 'content');
    writeFileSync(join(base, 'other'), 'other');
    utimesSync(file, 1000, 1_500_000_000);
    const tree = new MountedTree(base);
    for (const [, node] of tree.list(tree.root)) tree.file(node, tree.attributes(node));
    t.notOk(tree.hasChanged(), 'nothing has');
    change();
    t.ok(tree.hasChanged(), what);
  }
});
