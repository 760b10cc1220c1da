// Which backup is mounted when the request leaves parts of it out.

import t from 'tap';
import type { Binding } from '../../../src/mount/diff/binding.js';
import type { MountRequest } from '../../../src/mount/request.js';
import { chosenBackup } from '../../../src/mount/serving/chosen-backup.js';

const binding = { catalog: '/old', backup: { instance: 'db', backupId: 'TOU5P9' } } as Binding;
const asked = (request: Partial<MountRequest>) => request as MountRequest;

t.test('what is left out comes from the last mount of the diff', async (t) => {
  const bound = { kind: 'bound', binding } as const;
  t.strictSame(chosenBackup(asked({}), '/d', bound), { catalog: '/old', instance: 'db', backupId: 'TOU5P9' });
  const moved = chosenBackup(asked({ catalog: '/new' }), '/d', bound);
  t.strictSame(moved, { catalog: '/new', instance: 'db', backupId: 'TOU5P9' });
});

t.test('a diff that knows none is refused, and what is missing is named', async (t) => {
  t.throws(() => chosenBackup(asked({ instance: 'db' }), '/d', { kind: 'absent' }), {
    code: 'usage',
    message: 'the diff /d does not exist yet: -B CATALOG -i BACKUP_ID must be given',
  });
  t.throws(() => chosenBackup(asked({ catalog: '/c', instance: 'db' }), '/d', { kind: 'empty' }), {
    message: 'the diff /d has not been mounted before: -i BACKUP_ID must be given',
  });
});
