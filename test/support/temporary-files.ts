// A process of the storm of temporary files: creates, closes and unlinks them one after the other, and writes a block into
// every tenth. Arguments: directory, name, count.

import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK } from './block-storm-data.js';

const [directory, name, count] = process.argv.slice(2) as [string, string, string];
const block = Buffer.alloc(BLOCK, 1);
for (let i = 0; i < Number(count); i++) {
  const path = join(directory, `pgsql_tmp${name}.${i % 1000}.${i}`);
  const fd = openSync(path, 'wx+');
  if (i % 10 === 0) writeSync(fd, block);
  closeSync(fd);
  unlinkSync(path);
}
