// PostgreSQL on a mount whose diff is full: statements fail, nothing committed is lost, and with more room it goes on.

import { chownSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountLog } from '../support/diff-files.js';
import { mountMissing, pbkfs, TestMount } from '../support/mount.js';
import { connected, postgres15, query, serverTempDir, start } from '../support/postgres.js';
import { temporaryDirectory } from '../support/swept.js';
import { smallStream } from './targets.js';

interface Status {
  readonly bytes: number;
  readonly limitBytes: number | null;
  readonly refusals: number;
}

t.test('PostgreSQL survives the limit of its diff', { skip: mountMissing }, async (t) => {
  const { catalog, instance, backup } = await smallStream(t);
  const { user } = postgres15();
  const mountpoint = join(serverTempDir(t), 'mount');
  mkdirSync(mountpoint, { mode: 0o700 });
  chownSync(mountpoint, user.uid, user.gid);
  const base = temporaryDirectory('pbkfs-limit-');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const mount = new TestMount(mountpoint, join(base, 'diff'), {});
  t.teardown(() => mount.discard());
  const first = ['-B', catalog, '-I', instance, '-i', backup];
  const where = ['-D', mountpoint, '-d', mount.diff];
  t.match(await pbkfs(['mount', ...first, ...where, '--diff-limit', '48MB']), { status: 0 });
  const status = (): Status => JSON.parse(readFileSync(join(mountpoint, '.pbkfs/stat'), 'utf8')).diffBudget as Status;

  let server = await start(t, mountpoint);
  await query(server, 'create table filled (id int primary key, padding text)');
  let committed = 0;
  let failure = '';
  await connected(server, 'postgres', async (client) => {
    while (failure === '' && committed < 200_000) {
      try {
        await client.query(
          `insert into filled select i, repeat('x', 500) from generate_series(${committed + 1}, ${committed + 1000}) i`,
        );
        committed += 1000;
      } catch (error) {
        failure = (error as Error).message;
      }
    }
  });
  t.match(failure, /No space left on device|terminat/, 'the limit is reached');
  t.ok(committed > 5000, `${committed} rows`);
  const full = status();
  t.ok(full.bytes <= 48 * 2 ** 20);
  t.equal(full.limitBytes, 48 * 2 ** 20);
  t.ok(full.refusals > 0);
  t.match(mountLog(mount.diff), /WARN the diff holds \d+ % of the 48 MiB/);
  t.match(mountLog(mount.diff), /WARN the diff has reached its limit of 48 MiB/);

  await server.crash();
  await mount.unmount();
  t.match(await pbkfs(['mount', ...where, '--diff-limit', '256MiB']), { status: 0 });
  server = await start(t, mountpoint);
  t.ok(Number(await query(server, 'select count(*) from filled')) >= committed, 'nothing committed is lost');
  await query(server, 'create extension if not exists amcheck');
  await query(server, "select bt_index_check('filled_pkey', true)");
  await query(server, "insert into filled select -i, 'more' from generate_series(1, 1000) i");
  await query(server, 'checkpoint');
  const before = status().bytes;
  await query(server, 'drop table filled');
  await query(server, 'checkpoint');
  t.ok(status().bytes < before, 'dropping a table gives room back');
  await server.stop();
  await mount.unmount();
});
