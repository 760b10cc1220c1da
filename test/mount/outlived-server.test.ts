// A PostgreSQL server that goes on running after its mount was killed: it is named, and stopped on request.

import t from 'tap';
import { copyCatalog } from '../support/catalogs.js';
import { isMounted, mountCatalog, mountMissing, pbkfs } from '../support/mount.js';
import { query, start } from '../support/postgres.js';

/** Nothing to do for the server on its own: it would notice that its disk has gone, and end by itself sooner or later. */
const QUIET = { autovacuum: 'off', bgwriter_lru_maxpages: '0', wal_writer_delay: '10000', checkpoint_timeout: '3600' };

t.test('mount and unmount name it, --stop-server stops it', { skip: mountMissing }, async (t) => {
  const catalog = await copyCatalog('mini', t.testdir());
  const mount = await mountCatalog(t, { catalog, instance: 'a', backup: 'TOU5PO' });
  const { mountpoint, diff } = mount;
  const server = await start(t, mountpoint, { settings: QUIET });
  await query(server, 'create table kept as select 1 as n');
  await query(server, 'checkpoint');
  await mount.kill9();
  const named = new RegExp(
    `still runs in it: process ${server.pid} \\(data directory ${mountpoint}\\)\nhint: .*--stop-server`,
  );
  t.match(await pbkfs(['unmount', '-D', mountpoint]), { status: 1, stderr: named });
  t.match(await pbkfs(['mount', '-D', mountpoint, '-d', diff]), { status: 1, stderr: named });
  t.ok(isMounted(mountpoint), 'the dead mount stays under the server');
  t.equal(server.pid !== undefined && process.kill(server.pid, 0), true, 'and the server runs');
  t.match(await pbkfs(['mount', '-D', mountpoint, '-d', diff, '--stop-server']), {
    status: 0,
    stdout: new RegExp(`^stopped the PostgreSQL server in ${mountpoint} \\(process ${server.pid}\\)\nmounted backup`),
  });
  const next = await start(t, mountpoint, { settings: QUIET });
  t.equal(await query(next, 'select n from kept'), '1');
  await query(next, 'checkpoint');
  await mount.kill9();
  t.match(await pbkfs(['unmount', '-D', mountpoint, '--stop-server']), { stdout: /^stopped the PostgreSQL server/ });
  t.notOk(isMounted(mountpoint));
  t.match(await pbkfs(['mount', '-D', mountpoint, '-d', diff]), { status: 0 });
  t.match(
    await pbkfs(['unmount', '-D', mountpoint, '--stop-server']),
    { status: 0, stdout: /^unmounted/ },
    'none there',
  );
});
