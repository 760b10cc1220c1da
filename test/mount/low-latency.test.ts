// `pbkfs mount --low-latency`: what the kernel is asked for while requests come, and what a mount says that may not ask.

import { readFileSync, statSync } from 'node:fs';
import t from 'tap';
import { CpuLatency } from '../../src/sys/cpu-latency.js';
import { CLI, mountMissing } from '../support/mount.js';
import { nativeMissing, throughNative } from '../support/native.js';
import { openFilesOf } from '../support/open-files.js';
import { run } from '../support/run.js';
import { until } from '../support/until.js';
import { type SmallMount, unmounted } from './small-mount.js';

const noLimit = new CpuLatency().fault() ?? false;

interface Status {
  readonly settings: { readonly lowLatency: boolean };
  readonly server: { readonly lowLatencyFault?: string };
}

function tells(mount: SmallMount): boolean {
  return /^pbkfs_low_latency\{.*\} 1$/m.test(readFileSync(mount.path('.pbkfs/metrics'), 'utf8'));
}

/** Whether the mount process asks for it now. */
function holds(mount: SmallMount): boolean {
  return openFilesOf(mount.process().pid).includes('/dev/cpu_dma_latency');
}

let asked = 0;

/** Requests that reach the server, some thousands a second: nobody has asked for these names before. */
function work(mount: SmallMount): void {
  for (let i = 0; i < 300; i++) statSync(mount.path(`base/1/missing${asked++}`), { throwIfNoEntry: false });
}

for (const [backend, missing] of [
  ['kernel', false],
  ['fuse-native', nativeMissing],
] as const) {
  t.test(`busy and idle, backend ${backend}`, { skip: mountMissing || noLimit || missing }, async (t) => {
    const mount = unmounted(t);
    if (backend === 'fuse-native') Object.assign(mount.env, throughNative);
    await mount.mount({ catalog: mount.catalog, instance: 'main', backup: 'latest' }, ['--low-latency']);
    const { settings, server } = JSON.parse(readFileSync(mount.path('.pbkfs/status.json'), 'utf8')) as Status;
    t.strictSame([settings.lowLatency, server.lowLatencyFault], [true, undefined]);
    for (const round of [1, 2]) {
      await until(() => !holds(mount) && !tells(mount), 30_000);
      await until(() => {
        work(mount);
        return holds(mount) && tells(mount);
      }, 30_000);
      t.pass(`idle, then busy: ${round}`);
    }
    await mount.unmount();
  });
}

t.test('a mount that was not told to does nothing of the kind', { skip: mountMissing || noLimit }, async (t) => {
  const mount = unmounted(t);
  await mount.first();
  for (let i = 0; i < 20; i++) {
    work(mount);
    t.notOk(holds(mount) || tells(mount));
  }
});

t.test('where it cannot be done the mount says so, and serves', { skip: mountMissing || noLimit }, async (t) => {
  const mount = unmounted(t);
  const script = `set -e
    printf 'none\\n' > "$1/driver"
    mount --bind "$1/driver" /sys/devices/system/cpu/cpuidle/current_driver
    shift
    "$@" mount -B "$catalog" -I main -i latest -D "$mountpoint" -d "$diff" --low-latency
    cat "$mountpoint/.pbkfs/status.json"
    "$@" info -D "$mountpoint" >&2
    "$@" unmount -D "$mountpoint" >&2`;
  const { catalog, mountpoint, diff, base } = mount;
  const result = await run(
    'unshare',
    ['--mount', '--propagation', 'slave', 'sh', '-c', script, 'sh', base, process.execPath, CLI],
    { env: { catalog, mountpoint, diff }, timeout: 100_000 },
  );
  const why = 'the kernel has no choice of idle states (cpuidle) on this machine';
  t.match(result, { status: 0 });
  t.ok(result.stderr.includes(`warning: --low-latency: ${why}; processors sleep as ever`), result.stderr);
  t.match(result.stderr, new RegExp(`low latency +none: ${why.replace(/[()]/g, '\\$&')}`));
  t.ok(result.stdout.includes(`"lowLatencyFault": "${why}"`), result.stdout);
});
