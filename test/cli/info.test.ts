// pbkfs info: a mount explained, and the origin of files and blocks, compared with how the catalog was made.

import { appendFileSync, closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { backupIdOf } from '../../src/backup/index.js';
import type { BlockOrigin, FileOrigin } from '../../src/mount/index.js';
import { type SmallMount, smallMount } from '../mount/small-mount.js';
import { startTime } from '../support/catalog-writer.js';
import { matchWhole } from '../support/match-whole.js';
import { mountMissing, pbkfs } from '../support/mount.js';

interface Info {
  readonly chain: readonly { readonly id: string }[];
}

async function info(mount: SmallMount, ...options: string[]): Promise<unknown> {
  const { status, stdout, stderr } = await pbkfs(['info', mount.mountpoint, '--json', ...options]);
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

t.test('tells all about a mount, dead or alive', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  matchWhole(t, await info(mount), {
    state: 'serving',
    instance: 'main',
    pid: mount.process().pid,
    diff: mount.diff,
    chainState: 'intact',
    backend: { backend: 'kernel', protocol: /^7\.\d+$/, features: Array, readAhead: 4096 },
    chain: [{ mode: 'FULL', status: 'OK' }, { mode: 'DELTA' }, { mode: 'PAGE' }],
    externalDirectories: [],
  });
  t.match(await pbkfs(['info', '-D', mount.mountpoint]), {
    status: 0,
    stdout: /\nbackend +kernel, FUSE protocol 7\.\d+\n.*\nread-ahead +4096 KiB\n.*\n {2}ID +MODE +STATUS/s,
  });
  t.match(await pbkfs(['info', mount.mountpoint, '--block', '1']), { status: 2, stderr: /--block needs --file/ });
  const control = join(mount.catalog, 'backups/main', backupIdOf(startTime(3)), 'backup.control');
  appendFileSync(control, "external-dirs = '/srv/ü:/etc/app'\n");
  matchWhole(t, await info(mount), { externalDirectories: ['/srv/ü', '/etc/app'] });
  t.match(await pbkfs(['info', mount.mountpoint]), {
    stdout: /\nnot mounted +external directories: \/srv\/ü, \/etc\/app\n/,
  });
  await mount.kill9();
  t.match(await info(mount), { state: 'dead', pid: null, chainState: null });
  t.match(await pbkfs(['info', mount.mountpoint, '--file', 'PG_VERSION']), { status: 1, stderr: /is dead/ });
});

t.test('of a mount that hangs it tells what is known without it', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const { pid } = mount.process();
  process.kill(pid, 'SIGSTOP');
  try {
    const on = (command: string, ...more: string[]) => pbkfs([command, mount.mountpoint, '--json', ...more]);
    const [told, stat, file] = await Promise.all([on('info'), on('stat'), on('info', '--file', 'PG_VERSION')]);
    t.equal(told.status, 0);
    t.match(JSON.parse(told.stdout), { state: 'hung', pid, chainState: null });
    for (const { status, stderr } of [stat, file]) {
      t.equal(status, 1);
      t.match(JSON.parse(stderr), {
        error: {
          code: 'not_mounted',
          message: /does not answer/,
          hint: `its process is stopped: "kill -CONT ${pid}" lets it go on`,
        },
      });
    }
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  t.match(await info(mount), { chainState: 'intact' });
});

t.test('says where every block comes from', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const ids = ((await info(mount)) as Info).chain.map(({ id }) => id);
  const file = 'base/1/100';
  const origin = async (block: number, name = file) =>
    ((await info(mount, '--file', name, '--block', String(block))) as { block: BlockOrigin }).block;
  // Blocks 0 and 3 are of the FULL, 1 of the first increment, 2 and 4 of the second: see small-catalog.ts.
  for (const [block, layer] of [0, 1, 2, 0, 2].entries()) {
    const found = await origin(block);
    t.match(found, { block, from: 'backup', backupId: ids[layer], message: null });
    const record = readFileSync(found.stored!).subarray(found.offset!);
    t.equal(record.readUInt32LE(0), block, 'its record header stands at that offset');
    t.equal(record.readInt32LE(4), found.size);
  }
  const before = (await info(mount, '--file', mount.path(file))) as FileOrigin;
  t.match(before, { file, kind: 'datafile', length: 5 * 8192, object: null });
  t.strictSame(
    before.sources.map(({ backupId, blocks }) => [backupId, blocks]),
    [
      [ids[2], 2],
      [ids[1], 1],
      [ids[0], 2],
    ],
  );
  const fd = openSync(mount.path(file), 'r+');
  writeSync(fd, Buffer.alloc(100, 1), 0, 100, 8192 + 50);
  closeSync(fd);
  truncateSync(mount.path(file), 3 * 8192 + 10);
  truncateSync(mount.path(file), 6 * 8192);
  t.match(await origin(0), { from: 'backup', backupId: ids[0] });
  const changed = await origin(1);
  t.match(changed, { from: 'diff', backupId: null, offset: 8192 });
  t.ok(changed.stored!.startsWith(join(mount.diff, 'objects')));
  t.match(await origin(5), { from: 'diff' }, 'behind a truncation the object is the truth');
  t.match(await info(mount, '--file', file), { blocks: 6, object: String });
  t.match(await origin(1, 'base/1/raw'), { from: 'backup', checksum: 'file', offset: 8192, size: 8192 });
  t.match(await origin(0, 'pg_tblspc/16385/PG_15_202209061/5/300'), { from: 'backup', backupId: ids[0] });
  writeFileSync(mount.path('base/1/new'), 'own');
  t.match(await info(mount, '--file', 'base/1/new', '--block', '0'), { kind: 'own', block: { from: 'diff' } });
  t.match((await pbkfs(['info', mount.mountpoint, '--file', file])).stdout, /6 blocks\n {2}\d from diff\n/);
  for (const [name, message] of [
    ['base/1/none', /cannot open .*ENOENT/],
    ['base/1', /is not a file on the mount.*\nhint: name/],
    ['/etc/passwd', /is not on the mount.*\nhint: name/],
    ['../../etc/passwd', /is not on the mount.*\nhint: name/],
  ] as const) {
    t.match(await pbkfs(['info', mount.mountpoint, '--file', name]), { status: 1, stderr: message });
  }
  t.match(await pbkfs(['info', mount.mountpoint, '--file', file, '--block', '6']), {
    status: 1,
    stderr: /has no block 6.*\nhint: they are counted from 0/,
  });
  await mount.unmount();
});

t.test('damage is told, not served', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const { block } = (await info(mount, '--file', 'base/1/100', '--block', '3')) as { block: BlockOrigin };
  const fd = openSync(block.stored!, 'r+');
  writeSync(fd, Buffer.from([0xff, 0xff]), 0, 2, block.offset! + 8 + 100);
  closeSync(fd);
  t.match(await info(mount, '--file', 'base/1/100', '--block', '3'), {
    block: { from: 'backup', checksum: 'damaged', message: /block 3/ },
  });
});
