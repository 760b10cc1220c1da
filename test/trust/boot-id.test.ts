// A restart of the host as pbkfs sees it without any help: another boot id of the kernel, by a bind mount over its file in
// a mount namespace of the test's own. What was fsynced counts; what was not is the backup's again.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { mountMissing } from '../support/mount.js';
import { run } from '../support/run.js';
import { smallFiles, writeSmallCatalog } from '../support/small-catalog.js';
import { temporaryDirectory } from '../support/swept.js';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const A = '11111111-2222-4333-8444-555555555555\n';
const B = '66666666-7777-4888-9999-aaaaaaaaaaaa\n';
const page = Buffer.alloc(8192, 7);

/** In the namespace, whose mounts nobody else sees; unmounts of others do arrive, so that none is kept alive. */
const SCRIPT = `
set -e
cd "$W"
pbkfs() { "$NODE" "$CLI" "$@" >>log 2>&1; }
trap 'mountpoint -q mnt && umount -l mnt' EXIT
mount --bind boot /proc/sys/kernel/random/boot_id
pbkfs mount -B catalog -I main -i latest -D mnt -d diff
dd if=page of=mnt/base/1/100 bs=8192 seek=1 conv=notrunc,fsync 2>/dev/null
dd if=page of=mnt/base/1/101 bs=8192 seek=1 conv=notrunc 2>/dev/null
kill -9 "$(sed -E 's/.*"pid":([0-9]+).*/\\1/' diff/lock)"
pbkfs unmount -D mnt || true
cat next >boot
pbkfs fsck -d diff --json
pbkfs mount -D mnt -d diff $OPTION
cp mnt/base/1/100 mnt/base/1/101 out/
pbkfs unmount -D mnt
`;

async function restart(
  t: Test,
  next: string,
  option: string,
): Promise<{ synced: boolean; unsynced: boolean; log: string }> {
  const work = temporaryDirectory('pbkfs-boot-id-');
  t.teardown(() => rmSync(work, { recursive: true, force: true }));
  writeSmallCatalog(join(work, 'catalog'));
  mkdirSync(join(work, 'mnt'));
  mkdirSync(join(work, 'out'));
  writeFileSync(join(work, 'page'), page);
  writeFileSync(join(work, 'boot'), A);
  writeFileSync(join(work, 'next'), next);
  const env = { W: work, NODE: process.execPath, CLI, OPTION: option };
  const result = await run('unshare', ['--mount', '--propagation', 'slave', 'sh', '-c', SCRIPT], {
    env,
    timeout: 300_000,
  });
  const log = readFileSync(join(work, 'log'), 'utf8');
  if (result.status !== 0) throw new Error(`${result.stderr}\n${log}`);
  const isChanged = (name: string): boolean => {
    const wanted = Buffer.from(smallFiles.get(`base/1/${name}`)!);
    const found = readFileSync(join(work, 'out', name));
    if (found.equals(wanted)) return false;
    wanted.set(page, 8192);
    if (!found.equals(wanted)) throw new Error(`${name} is neither as it was nor as it was written`);
    return true;
  };
  return { synced: isChanged('100'), unsynced: isChanged('101'), log };
}

t.test('another boot id: what was not fsynced before is not believed', { skip: mountMissing }, async (t) => {
  t.match(await restart(t, B, ''), { synced: true, unsynced: false, log: /"cacheWasLost": true/ });
});

t.test('the same boot id: a kill loses nothing', { skip: mountMissing }, async (t) => {
  t.match(await restart(t, A, ''), { synced: true, unsynced: true, log: /"cacheWasLost": false/ });
});

t.test('the same boot id and --after-power-loss: as with another one', { skip: mountMissing }, async (t) => {
  t.match(await restart(t, A, '--after-power-loss'), { synced: true, unsynced: false });
});
