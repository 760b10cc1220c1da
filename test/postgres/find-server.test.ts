// Finding server programs: order of places, versions, reachability, the npm package.

import { chmodSync, cpSync, existsSync, mkdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findServer } from '../../src/postgres/find-server.js';
import { canReach } from '../../src/postgres/reachable.js';
import { serverUser } from '../../src/postgres/server-user.js';
import { serverTempDir } from '../support/postgres.js';
import { run, runOk } from '../support/run.js';

const user = serverUser();
const asRoot = { skip: process.getuid?.() === 0 ? false : 'needs root: only root can be another user' };

function fakeServer(directory: string, version: string): string {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'postgres'), `#!/bin/sh\necho 'postgres (PostgreSQL) ${version}'\n`, { mode: 0o755 });
  return directory;
}

t.test('the npm package runs as the server user although npm made no library links', async (t) => {
  const binaries = findServer({ major: 15, user, sources: ['npm'] });
  t.equal(binaries.source, 'npm');
  t.match(binaries.version, /^15\./);
  t.equal(readlinkSync(join(binaries.binDir, '../lib/libicuuc.so.60')), 'libicuuc.so.60.2');
  t.match(await runOk(join(binaries.binDir, 'postgres'), ['-V'], { user }), /PostgreSQL\) 15/);
  const again = findServer({ major: 15, user, sources: ['npm'] });
  t.equal(again.binDir, binaries.binDir, 'found again');
});

t.test('a given directory is taken or refused, nothing else is looked at', async (t) => {
  const directory = fakeServer(join(serverTempDir(t), 'bin'), '14.9');
  t.equal(findServer({ major: 14, user, binDir: directory }).version, '14.9');
  t.throws(() => findServer({ major: 15, user, binDir: directory }), { code: 'server_failed', hint: /version 14\.9/ });
});

t.test('PATH is followed through links to where the client programs are', async (t) => {
  const base = serverTempDir(t);
  const real = fakeServer(join(base, 'real'), '15.99');
  fakeServer(join(base, 'old'), '13.1');
  mkdirSync(join(base, 'links'));
  symlinkSync(join(real, 'postgres'), join(base, 'links', 'postgres'));
  const path = process.env.PATH;
  t.teardown(() => {
    process.env.PATH = path;
  });
  process.env.PATH = `relative:${join(base, 'old')}:${join(base, 'links')}`;
  t.match(findServer({ major: 15, user }), { binDir: real, version: '15.99', source: 'path' });
});

t.test('programs below a private directory are not taken for another user', asRoot, async (t) => {
  const base = serverTempDir(t, { uid: 0, gid: 0, name: 'root' });
  const directory = fakeServer(join(base, 'bin'), '15.1');
  t.notOk(canReach(directory, user));
  t.throws(() => findServer({ major: 15, user, binDir: directory }), {
    code: 'server_failed',
    hint: /not reachable for user/,
  });
  chmodSync(base, 0o711);
  t.ok(canReach(directory, user));
});

t.test(
  'a package in a private checkout is copied once, also by several processes at the same time',
  asRoot,
  async (t) => {
    const checkout = serverTempDir(t, { uid: 0, gid: 0, name: 'root' });
    const temporary = serverTempDir(t, user);
    chmodSync(temporary, 0o1777);
    // A small stand-in for the package: what counts is the copying, not PostgreSQL.
    const native = join(checkout, 'node_modules', 'pg15', 'native');
    fakeServer(join(native, 'bin'), '15.7');
    mkdirSync(join(native, 'lib'));
    writeFileSync(join(native, 'lib', 'libx.so.1.2'), 'library', { mode: 0o600 });
    writeFileSync(
      join(native, 'pg-symlinks.json'),
      JSON.stringify([{ source: 'native/lib/libx.so.1.2', target: 'native/lib/libx.so.1' }]),
    );
    writeFileSync(join(native, '..', 'package.json'), '{"version":"15.7.0"}');
    cpSync(new URL('../../src', import.meta.url), join(checkout, 'src'), { recursive: true });
    writeFileSync(join(checkout, 'package.json'), '{"type":"module"}');
    const script = `
    const { findServer } = await import(${JSON.stringify(join(checkout, 'src/postgres/find-server.js'))});
    const user = ${JSON.stringify(user)};
    console.log(findServer({ major: 15, user, sources: ['npm'] }).binDir);`;
    const node = () => run(process.execPath, ['--input-type=module', '-e', script], { env: { TMPDIR: temporary } });
    const results = await Promise.all([node(), node(), node()]);
    const places = new Set(results.map(({ stdout, stderr }) => stdout.trim() || stderr));
    t.equal(places.size, 1, [...places].join());
    const [place] = places;
    t.ok(place.startsWith(temporary), place);
    t.ok(canReach(join(place, '../lib/libx.so.1'), user));
    t.notOk(existsSync(join(native, 'lib', 'libx.so.1')), 'the private checkout stays as it was');
    rmSync(join(place, '../..'), { recursive: true });
  },
);
