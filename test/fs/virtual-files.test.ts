// The files in .pbkfs: hidden, read-only, made afresh for each reader.

import { openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { virtualNames } from '../../src/overlay/namespace/virtual-file.js';
import { smallMount } from '../mount/small-mount.js';
import { matchWhole } from '../support/match-whole.js';
import { mountMissing } from '../support/mount.js';
import { prometheusMissing, promtool } from '../support/promtool.js';
import { until } from '../support/until.js';

t.test('virtual files of a mount', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const path = (name: string): string => mount.path(`.pbkfs/${name}`);
  const text = (name: string): string => readFileSync(path(name), 'utf8');

  t.notOk(readdirSync(mount.mountpoint).includes('.pbkfs'), 'the directory is hidden');
  const listed = readdirSync(mount.path('.pbkfs'));
  t.notOk(
    virtualNames.some((name) => listed.includes(name)),
    'and so are the files in it',
  );

  const owner = statSync(mount.path('PG_VERSION'));
  for (const name of virtualNames) {
    const stats = statSync(path(name));
    t.equal(stats.mode, 0o100400, `${name} is for its owner to read`);
    t.equal(stats.uid, owner.uid);
    t.equal(stats.gid, owner.gid);
    t.ok(stats.size > 0);
    t.throws(() => writeFileSync(path(name), 'x'), { code: 'EPERM' });
    t.throws(() => rmSync(path(name)), { code: 'EPERM' });
    t.throws(() => renameSync(path(name), mount.path('stolen')), { code: 'EPERM' });
    t.throws(() => openSync(path(name), 'wx'), { code: 'EEXIST' });
  }
  t.throws(() => statSync(path('nothing')), { code: 'ENOENT' });

  const status = JSON.parse(text('status.json'));
  matchWhole(t, status, {
    pid: mount.process().pid,
    mountpoint: mount.mountpoint,
    catalog: mount.catalog,
    instance: 'main',
    chainState: 'intact',
    chainLock: { held: true, description: /^held by process/ },
    diff: mount.diff,
    diffUsage: { bytes: Number, objects: 0 },
    healthy: true,
    problems: [],
    server: { backend: 'kernel', protocol: /^7\./, features: Array },
    threads: { data: 4 },
    metrics: null,
    logFile: `${mount.diff}/pbkfs.log`,
  });
  t.notOk(
    status.server.features.includes('ASYNC_DIO'),
    'direct writes by aio must not leave old bytes in the page cache',
  );
  const chain = JSON.parse(text('chain.json')) as { target: string; members: { id: string; mode: string }[] };
  t.strictSame(
    chain.members.map(({ id }) => id),
    status.chain,
  );
  t.match(chain.members[0], { mode: 'FULL', directory: new RegExp(`^${mount.catalog}/`) });
  t.match(text('log'), / ready pid=/);

  const count = (): number => (JSON.parse(text('stat')) as { counters: { write: number } }).counters.write;
  const before = count();
  writeFileSync(mount.path('new'), 'x'.repeat(100_000));
  // A request is counted once it has been answered.
  await until(() => count() > before);
  t.pass('what was done since the last look is there');

  const metrics = text('metrics');
  t.match(metrics, `pbkfs_backup_lock_held{mountpoint="${mount.mountpoint}"} 1`);
  t.match(metrics, /^pbkfs_inodes\{.*\} [1-9]\d*$/m);
  t.match(metrics, /^pbkfs_pending_operations\{.*\} [1-9]\d*$/m, 'the look-up that asks is under way');
  if (prometheusMissing === false) t.strictSame(promtool(['check', 'metrics'], metrics), { status: 0, said: '' });

  const many = await Promise.all(Array.from({ length: 60 }, (_, i) => readFile(path(virtualNames[i % 5]!), 'utf8')));
  for (const [i, content] of many.entries()) {
    if (virtualNames[i % 5]!.endsWith('.json')) t.doesNotThrow(() => JSON.parse(content), 'a whole document each time');
    else t.ok(content.length > 0);
  }
  await mount.unmount();
});
