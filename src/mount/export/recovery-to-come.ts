// A copy in which recovery is still to come: the settings that a mount has written fetch WAL through the mount, which a copy has not.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { settingValue } from '../../postgres/recovery-config.js';
import { readIfThere } from '../../sys/read-if-there.js';
import { shellWord } from '../../sys/shell-word.js';

const THROUGH_A_MOUNT = /^restore_command = '.*\.pbkfs\/wal\//m;

/**
 * What is to be done before a server starts on the copy; undefined: nothing.
 * @param catalog and instance of the backup, where they are known
 */
export function recoveryToCome(copy: string, catalog = 'CATALOG', instance = 'INSTANCE'): string | undefined {
  const signalled = ['recovery.signal', 'standby.signal'].some((name) => existsSync(join(copy, name)));
  // Before PostgreSQL 12 the file itself is the signal.
  const file = signalled ? 'postgresql.auto.conf' : 'recovery.conf';
  const settings = readIfThere(join(copy, file))?.toString('latin1') ?? '';
  if (!THROUGH_A_MOUNT.test(settings)) return undefined;
  const command = `pbkfs archive-get -B ${shellWord(catalog)} -I ${shellWord(instance)}`.replaceAll('%', '%%');
  const value = settingValue(`${command} %f %p`);
  return `a server on the copy has yet to recover, and would look for its WAL in a mount: before its first start put restore_command = ${value} into ${join(copy, file)}, in place of the one that is there`;
}
