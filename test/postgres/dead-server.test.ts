// The lock file that a killed server leaves in a diff, when its number is another program's by now.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { forgetDeadServer } from '../../src/postgres/dead-server.js';
import { temporaryDirectory } from '../support/swept.js';

const directory = temporaryDirectory('pbkfs-dead-server-');
t.teardown(() => rmSync(directory, { recursive: true }));
const lock = join(directory, 'postmaster.pid');
const isKept = (pid: number): boolean => {
  writeFileSync(lock, `${pid}\n${directory}\n1795394475\n5432\n`);
  forgetDeadServer(directory);
  return existsSync(lock);
};

t.test('the lock file of a dead server goes, that of a living one stays', async (t) => {
  t.doesNotThrow(() => forgetDeadServer(directory), 'there is none');
  t.notOk(isKept(process.pid), 'another program');
  t.notOk(isKept(2 ** 22 + 1), 'nobody');
  const program = join(directory, 'postgres');
  copyFileSync('/bin/sleep', program);
  const server = spawn(program, ['60']);
  await once(server, 'spawn');
  t.ok(isKept(server.pid!));
  rmSync(program);
  t.ok(isKept(server.pid!), 'its program was replaced');
  server.kill();
  await once(server, 'exit');
  t.notOk(isKept(server.pid!));
});
