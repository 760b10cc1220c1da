// What whoever mounts is told when the storage of the diff fails.

import t from 'tap';
import { PbkfsError } from '../../../src/errors.js';
import { refusedByStorage } from '../../../src/overlay/diff/index.js';

const failed = (code: string): Error => Object.assign(new Error(`${code}: some text, fdatasync`), { code });

t.test('a full and a failing disk are told apart, with the diff and what to do', async (t) => {
  const said = (error: unknown): unknown[] => {
    const { code, message, hint } = refusedByStorage('/d', error) as PbkfsError;
    return [code, message, hint];
  };
  for (const code of ['EIO', 'ESTALE', 'ETIMEDOUT']) {
    const [as, message, hint] = said(failed(code));
    t.equal(as, 'mount_failed');
    t.equal(message, `the storage of the diff /d fails: ${code}: some text, fdatasync`);
    t.match(hint, /mount again/);
  }
  const [as, message, hint] = said(failed('EDQUOT'));
  t.equal(as, 'diff_full');
  t.match(message, 'no room on the file system of the diff /d');
  t.match(hint, '"pbkfs fsck -d /d"');
});

t.test('what says more itself stays as it is', async (t) => {
  const damaged = new PbkfsError('diff_damaged', 'the journal of the diff is damaged');
  const refused = failed('EACCES');
  t.equal(refusedByStorage('/d', damaged), damaged);
  t.equal(refusedByStorage('/d', refused), refused);
});
