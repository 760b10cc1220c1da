// The private directory of a server: whoever can open the socket may connect as anybody, so nobody else gets in.

import { closeSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import t from 'tap';
import {
  makePrivateDir,
  newPrivatePath,
  openLog,
  PRIVATE_DIR,
  removePrivateDir,
} from '../../src/postgres/private-dir.js';
import { MS_NODEV, mount, umount2 } from '../../src/sys/libc.js';

const root = process.getuid?.() === 0;
const user = { uid: root ? 1234 : process.getuid!(), gid: root ? 5678 : process.getgid!(), name: 'server' };

t.test('belongs to the user of the server, with all that is in it', async (t) => {
  const made = makePrivateDir(join(t.testdir(), 'own'), user);
  t.equal(made.socketDir, made.path);
  t.strictSame(readdirSync(made.path).sort(), ['pg_hba.conf', 'pg_ident.conf', 'postgresql.conf', 'server.log']);
  const { configFile, hbaFile, identFile, logFile } = made;
  for (const [path, mode] of [
    [made.path, 0o700],
    ...[configFile, hbaFile, identFile, logFile].map((file) => [file, 0o600]),
  ] as [string, number][]) {
    const stats = statSync(path);
    t.strictSame([stats.mode & 0o777, stats.uid, stats.gid], [mode, user.uid, user.gid], path);
  }
  t.equal(
    readFileSync(hbaFile, 'utf8'),
    'local all all trust\nlocal replication all trust\n',
    'no other host, no password',
  );
  t.equal(readFileSync(identFile, 'utf8'), '');
  t.equal(dirname(made.externalPidFile), made.path);
  writeFileSync(logFile, 'before\n');
  const log = openLog(made);
  writeSync(log, 'after\n');
  closeSync(log);
  t.equal(readFileSync(logFile, 'utf8'), 'before\nafter\n');
  removePrivateDir(made);
  t.notOk(existsSync(made.path));
  removePrivateDir(made);
});

t.test('what cannot be made leaves nothing, and what was there stays', async (t) => {
  const there = join(t.testdir({ there: { kept: '' } }), 'there');
  t.throws(() => makePrivateDir(there, user), { code: 'EEXIST' });
  t.strictSame(readdirSync(there), ['kept']);
  t.throws(() => makePrivateDir('/proc/pbkfs-pg-x', user), { code: 'ENOENT' });
  const path = join(t.testdirName, 'own');
  t.throws(() => makePrivateDir(path, { ...user, uid: -5 }), { code: 'ERR_OUT_OF_RANGE' });
  t.notOk(existsSync(path));
});

t.test(
  'a place without room is named, with the way out, and nothing is left in it',
  { skip: root ? false : 'needs root to mount' },
  async (t) => {
    for (const inodes of [1, 4]) {
      const full = t.testdir({ full: {} });
      const place = join(full, 'full');
      mount('pbkfs-test', place, 'tmpfs', MS_NODEV, `nr_inodes=${inodes}`);
      try {
        t.throws(() => makePrivateDir(join(place, 'own'), user), {
          code: 'no_place',
          message: /^no directory .*full\/own for the socket and log of the server: ENOSPC/,
          hint: 'TMPDIR may name another place',
        });
        t.strictSame(readdirSync(place), []);
      } finally {
        umount2(place, 0);
      }
    }
  },
);

t.test('names are new ones, and known by their beginning', async (t) => {
  const names = Array.from({ length: 20 }, () => basename(newPrivatePath(user)));
  t.equal(new Set(names).size, 20);
  for (const name of names) t.match(name, new RegExp(`^${PRIVATE_DIR}[\\w-]{6}$`));
});
