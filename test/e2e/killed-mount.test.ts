// kill -9 of the mount process under a writing server: after a remount nothing acknowledged is missing.

import t from 'tap';
import { wrongAnswers } from '../support/answers.js';
import { amcheckFindings, amcheckMissing } from '../support/integrity.js';
import { mountCatalog, mountMissing } from '../support/mount.js';
import { connected, query, start } from '../support/postgres.js';
import { smallStream } from './targets.js';

t.setTimeout(300_000);

t.test('every committed row is there after the remount (trap 30)', { skip: mountMissing }, async (t) => {
  const target = await smallStream(t);
  const mount = await mountCatalog(t, target);
  let server = await start(t, mount.mountpoint);
  await query(server, 'create schema test create table kept(n int primary key, filler text)');
  let acknowledged = 0;
  const writing = connected(server, 'postgres', async (client) => {
    for (let n = 1; ; n++) {
      await client.query(`insert into test.kept select $1::int, repeat('z', 1000)`, [n]);
      acknowledged = n;
      if (n % 100 === 0) await client.query('checkpoint');
    }
  });
  const broken = t.rejects(writing, 'the server cannot go on');
  while (acknowledged < 300) await query(server, 'select pg_sleep(0.05)');
  await mount.kill9();
  await server.crash();
  await broken;

  await mount.unmountDead();
  await mount.remount();
  server = await start(t, mount.mountpoint);
  const found = Number(await query(server, 'select count(*) from test.kept'));
  // The last commit may have become durable without its answer reaching us.
  t.ok(found === acknowledged || found === acknowledged + 1, `${acknowledged} acknowledged, ${found} found`);
  t.strictSame(await wrongAnswers(server, target.answers), []);
  const skip = await amcheckMissing(server);
  await t.test('amcheck finds nothing', { skip }, async (t) => t.strictSame(await amcheckFindings(server), []));
  await server.stop();
});
