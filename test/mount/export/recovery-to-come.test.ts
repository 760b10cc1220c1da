// What an export says of a copy that fetches its WAL from a mount.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { recoveryToCome } from '../../../src/mount/export/recovery-to-come.js';
import { MOUNT_RESTORE_COMMAND } from '../../../src/postgres/recovery-config.js';

const OURS = `# recovery settings\nrestore_command = '${MOUNT_RESTORE_COMMAND}'\n`;

function copy(t: Test, files: Readonly<Record<string, string>>): string {
  const directory = t.testdir();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return directory;
}

t.test('recovery that is still to come, and a command of the mount’s', async (t) => {
  for (const [signal, settings] of [
    ['recovery.signal', 'postgresql.auto.conf'],
    ['standby.signal', 'postgresql.auto.conf'],
    ['recovery.conf', 'recovery.conf'],
  ] as const) {
    const directory = copy(t, { [signal]: '', [settings]: OURS });
    const command = `restore_command = 'pbkfs archive-get -B /backup -I main %f %p' into ${join(directory, settings)}, `;
    t.ok(recoveryToCome(directory, '/backup', 'main')?.includes(command), signal);
  }
});

t.test('nothing to say', async (t) => {
  const theirs = `restore_command = 'scp archive:%f %p'\n`;
  t.equal(recoveryToCome(copy(t, { 'postgresql.auto.conf': OURS })), undefined, 'recovery has ended');
  t.equal(recoveryToCome(copy(t, { 'recovery.signal': '', 'postgresql.auto.conf': theirs })), undefined);
  t.equal(recoveryToCome(copy(t, { 'recovery.signal': '' })), undefined);
});

t.test('a path is a word of the shell within a value of PostgreSQL', async (t) => {
  const directory = copy(t, { 'recovery.signal': '', 'postgresql.auto.conf': OURS });
  const word = "archive-get -B ''/b a/100%%'' -I INSTANCE %f %p'";
  t.ok(recoveryToCome(directory, '/b a/100%')?.includes(word));
});
