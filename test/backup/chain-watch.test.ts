// What the watch says of a chain whose describing files are replaced; test/e2e/chain-kept.test.ts has real changes.

import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ChainWatch, chainChanges, openCatalog, resolveChain } from '../../src/backup/index.js';
import { writeSmallCatalog } from '../support/small-catalog.js';

t.test('a pipe in the place of a file is not waited for', async (t) => {
  const chain = resolveChain(openCatalog(writeSmallCatalog(join(t.testdir(), 'catalog'))), 'main', 'latest');
  const { directory } = chain.members[1]!;
  const said = async (watch: ChainWatch): Promise<unknown> => {
    const change = await watch.check();
    return change && [change.layer, chainChanges[change.kind]];
  };
  for (const [name, change] of [
    ['backup_content.control', [1, 'its list of files is gone or another one']],
    ['backup.control', [1, 'it is another backup now']],
  ] as const) {
    const watch = ChainWatch.start(chain);
    t.equal(await said(watch), null);
    const file = join(directory, name);
    renameSync(file, `${file}.kept`);
    execFileSync('mkfifo', [file]);
    t.strictSame(await said(watch), change);
    renameSync(`${file}.kept`, file);
  }
});
