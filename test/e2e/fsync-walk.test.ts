// Reading leaves the diff empty: the fsync walk before recovery, a server that only answers questions.

import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { CounterSnapshot } from '../../src/metrics/counters.js';
import { READ_ONLY_SETTINGS, wrongAnswers } from '../support/answers.js';
import { mountCatalog, mountMissing } from '../support/mount.js';
import { start } from '../support/postgres.js';
import { listTree, sha256OfFile, type TreeEntryStat } from '../support/tree.js';
import { smallStream } from './targets.js';

function objects(diff: string): string[] {
  return readdirSync(join(diff, 'objects')).filter((name) => !name.endsWith('.map'));
}

function files(tree: Map<string, TreeEntryStat>): string[] {
  return [...tree].filter(([, { type }]) => type === 'file').map(([path]) => path);
}

t.test(
  'opening every file for writing, reading it whole and syncing it creates nothing (trap 36)',
  { skip: mountMissing },
  async (t) => {
    const mount = await mountCatalog(t, await smallStream(t));
    const journal = () => statSync(join(mount.diff, 'journal')).size;
    const before = journal();
    const paths = files(listTree(mount.mountpoint));
    t.ok(paths.length > 500, `${paths.length} files`);
    for (const path of paths) {
      const fd = openSync(Buffer.from(`${mount.mountpoint}/${path}`, 'latin1'), 'r+');
      fsyncSync(fd);
      closeSync(fd);
      sha256OfFile(mount.mountpoint, path);
    }
    t.strictSame(objects(mount.diff), []);
    t.equal(journal(), before, 'no record in the journal');
  },
);

t.test(
  'with PBKFS_MATERIALIZE_ON_READ reading does fill the diff, with the same bytes',
  { skip: mountMissing },
  async (t) => {
    const target = await smallStream(t);
    const plain = await mountCatalog(t, target);
    const mount = await mountCatalog(t, target, { PBKFS_MATERIALIZE_ON_READ: 'true' });
    const path = files(listTree(mount.mountpoint)).find((name) => /^base\/\d+\/1259$/.test(name)) ?? '';
    const original = sha256OfFile(plain.mountpoint, path);
    t.equal(sha256OfFile(mount.mountpoint, path), original);
    t.equal(objects(mount.diff).length, 1);
    await mount.unmount();
    await mount.remount();
    t.equal(sha256OfFile(mount.mountpoint, path), original, 'from the diff');
  },
);

t.test(
  'after a server that only answered, the diff holds what it wrote and no more (trap 36)',
  { skip: mountMissing },
  async (t) => {
    const target = await smallStream(t);
    const mount = await mountCatalog(t, target);
    const before = listTree(mount.mountpoint);
    const server = await start(t, mount.mountpoint, { settings: READ_ONLY_SETTINGS });
    t.strictSame(await wrongAnswers(server, target.answers), []);
    await server.stop();
    const after = listTree(mount.mountpoint);
    const written = files(after).filter((path) => {
      const [then, now] = [before.get(path), after.get(path)];
      return then?.ino !== now?.ino || then?.mtimeMs !== now?.mtimeMs || then?.size !== now?.size;
    });
    const existing = written.filter((path) => before.has(path) && /^(base|pg_tblspc)\//.test(path));
    t.comment(`relations of the backup written to (hint bits): ${existing.join(' ') || 'none'}`);
    await mount.unmount(); // which also removes objects of deleted files
    const counters = JSON.parse(readFileSync(join(mount.diff, 'counters.json'), 'utf8')) as CounterSnapshot;
    t.ok(counters.fsync >= files(before).length, `${counters.fsync} fsyncs for ${files(before).length} files`);
    t.equal(counters.blocksMaterialized, 0);
    const held = objects(mount.diff).length;
    t.ok(held <= written.length, `${held} objects for ${written.length} files written of ${files(after).length}`);
    t.ok(written.length < files(after).length / 10, 'most files were only opened and synced');
  },
);
