// Finding the server of a session, which may outlive the program that it was started from.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cleanUp, findPostmaster } from '../../src/session/clean-up.js';
import { temporaryDirectory } from '../support/swept.js';
import { until } from '../support/until.js';

const PERL = '/usr/bin/perl';

t.test('an upgrade under a server does not hide it', { skip: !existsSync(PERL) && 'no perl' }, async (t) => {
  const directory = temporaryDirectory('pbkfs-clean-up-');
  t.teardown(() => rmSync(directory, { recursive: true }));
  // Perl takes -D and a file, too.
  const [program, dataDir] = [join(directory, 'postgres'), join(directory, 'data')];
  copyFileSync(PERL, program);
  writeFileSync(dataDir, 'sleep 60');
  const server = spawn(program, ['-D', dataDir], { stdio: 'ignore' });
  t.teardown(() => server.kill('SIGKILL'));
  await until(() => findPostmaster(dataDir)?.pid === server.pid);
  await cleanUp({ dataDir, remove: [join(directory, 'pbkfs-pg-another')] });
  t.equal(findPostmaster(dataDir)?.pid, server.pid, 'a server that another session has started there is left alone');
  rmSync(program);
  t.equal(findPostmaster(dataDir)?.pid, server.pid);
  server.kill('SIGKILL');
  await once(server, 'exit');
  t.equal(findPostmaster(dataDir), undefined);
});
