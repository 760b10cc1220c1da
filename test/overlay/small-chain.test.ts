// The made-up chain that other tests start from reads as it was described.

import t from 'tap';
import { DirectOverlay } from '../support/direct-overlay.js';
import { scratchDirectory, smallFiles, writeSmallCatalog } from '../support/small-catalog.js';

const root = scratchDirectory();
const catalog = writeSmallCatalog(`${root}/catalog`);

t.test('every file of the target has its content, and nothing else is there', async (t) => {
  const direct = new DirectOverlay({ catalog, diff: `${root}/diff` });
  for (const [path, content] of smallFiles) {
    t.ok(direct.readAll(path).equals(content), path);
    t.equal(direct.stat(path).size, content.length, `${path} has its size`);
  }
  t.same([...direct.readdir('base/1').keys()], ['100', '101', 'empty', 'raw', 'small']);
  t.same([...direct.readdir('').keys()], ['PG_VERSION', 'base', 'global', 'pg_tblspc', 'pg_wal']);
  direct.close();
});
