// What `pbkfs start` says of the WAL archive before the server replays it.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openCatalog } from '../../src/backup/index.js';
import { checkReplay } from '../../src/session/replay-check.js';
import { matchWhole } from '../support/match-whole.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { postgres15, query, serverTempDir } from '../support/postgres.js';
import { privateCatalog } from '../support/private-catalog.js';

/** Between the end of backup TOU5P9 and the end of the archive. */
const MISSING = '00000001000000000000001D';
const GAP = `segment ${MISSING} is missing, before 00000001000000000000001E`;

t.test('a gap of the WAL archive is named, where it is not a target that lies behind it', async (t) => {
  const { catalog: path } = await privateCatalog(t, 'mini');
  const catalog = openCatalog(path);
  const gap = (kind: 'latest' | 'immediate'): string | undefined =>
    checkReplay(catalog, 'a', catalog.backup('a', 'TOU5P9'), { target: { kind }, timeline: 'current' }, () => undefined)
      .gap;
  t.equal(gap('latest'), undefined, 'nothing is missing yet');
  rmSync(join(path, 'wal/a', `${MISSING}.gz`));
  t.equal(gap('latest'), GAP);
  t.equal(gap('immediate'), undefined, 'a target before it does not need it');

  await t.test('start warns of it and recovers as far as there is WAL', { skip: mountMissing }, async (t) => {
    const where = ['--bin-dir', postgres15().binaries.binDir, '--ephemeral', '--json'];
    const source = ['-B', path, '-I', 'a', '-i', 'TOU5P9'];
    const { status, stdout, stderr } = await pbkfs(['start', ...source, ...where], { TMPDIR: serverTempDir(t) });
    t.equal(status, 0, stderr);
    const { mountpoint, host, port } = JSON.parse(stdout) as { mountpoint: string; host: string; port: number };
    t.teardown(() => pbkfs(['stop', '-D', mountpoint, '--now']));
    matchWhole(t, stderr.split('\n'), [
      `pbkfs: warning: recovery ends at a gap of the WAL archive: ${GAP}`,
      /^pbkfs: warning: external directories of the backup are left out: \/tmp\/w\/pg\/ext_m; /,
      '',
    ]);
    const sql = 'select pg_walfile_name(pg_current_wal_insert_lsn())';
    const server = { connection: { host, port } } as Parameters<typeof query>[0];
    t.equal(await query(server, sql), MISSING.replace(/^.{8}/, '00000002'), 'it goes on where the gap begins');
  });
});
