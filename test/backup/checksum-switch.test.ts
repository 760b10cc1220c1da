// pg_checksums --enable in the middle of a chain: restore makes a cluster whose old pages no server accepts, and whoever
// uses such a chain is told.

import t from 'tap';
import { checksumSwitch } from '../../src/backup/index.js';
import { type BackupSpec, startTime } from '../support/catalog-writer.js';
import { matchWhole } from '../support/match-whole.js';
import { pbkfs } from '../support/mount.js';
import { openSynthetic } from '../support/synthetic.js';

function chain(...checksums: readonly (0 | 1)[]): BackupSpec[] {
  return checksums.map((version, n) => ({
    start: startTime(n),
    mode: n === 0 ? 'FULL' : 'DELTA',
    ...(n === 0 ? {} : { parent: startTime(n - 1) }),
    control: { 'checksum-version': version },
    files: [{ path: 'PG_VERSION', content: '15\n' }],
  }));
}

t.test('only chains that end with checksums and begin without', async (t) => {
  const said = (...checksums: readonly (0 | 1)[]) =>
    checksumSwitch(openSynthetic(t.testdir({}), chain(...checksums)).reader.chain);
  t.same(said(0), []);
  t.same(said(1, 1), []);
  t.same(said(1, 0), [], 'switched off: nobody looks at them');
  const { root, reader } = openSynthetic(t.testdir({}), chain(0, 0, 1, 1));
  const [, last] = reader.chain.members;
  matchWhole(t, said(0, 0, 1, 1), [new RegExp(`switched on after backup ${last!.id}: .* make a FULL backup$`)]);
  const { stderr } = await pbkfs(['validate', '-B', root, '-I', 'main', '-i', 'latest']);
  t.match(stderr, /^pbkfs: warning: page checksums were switched on after backup /m);
});
