// How a mount ends when its process is killed or one of its threads fails: callers get errors at once, nothing hangs.

import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import t, { type Test } from 'tap';
import { fsck } from '../../src/mount/diff/fsck.js';
import { mountMissing } from '../support/mount.js';
import { openFilesOf } from '../support/open-files.js';
import { smallFiles } from '../support/small-catalog.js';
import { until } from '../support/until.js';
import { inTime, load } from './load.js';
import { ended, type SmallMount, smallMount, unmounted } from './small-mount.js';
import { watched } from './watched.js';

/** How soon the callers of a mount that failed must have got their error, and its process be gone; in ms, on a busy machine. */
const CALLERS_WAIT = 10_000;
const PROCESS_LIVES = 20_000;

const DEAD = ['ENOTCONN', 'ECONNABORTED'];
/** The kernel answers EIO to a request that it was just handing to the process when that was killed. */
const KILLED = [...DEAD, 'EIO'];

/** The mount point can be used again, and the diff has what was written. */
async function usableAgain(t: Test, mount: SmallMount): Promise<void> {
  await mount.remount();
  t.strictSame(await readFile(mount.path('base/1/raw')), smallFiles.get('base/1/raw'));
  t.strictSame(await readFile(mount.path('base/1/before')), Buffer.from('written before'));
  await mount.unmount();
  t.equal(mount.state().state, 'clean');
}

t.test(
  'kill -9 under load: ENOTCONN at once, though a child of the process lives on',
  { skip: mountMissing },
  async (t) => {
    const mount = await smallMount(t);
    await writeFile(mount.path('base/1/before'), 'written before');
    mount.fault('child', '');
    const child = (): string => readFileSync(`${mount.faults}/child`, 'utf8');
    await until(() => child() !== '');
    t.teardown(() => process.kill(Number(child())));
    t.notOk(openFilesOf(child()).includes('/dev/fuse'), 'it has not inherited the connection');
    const { ended: broken } = await load(mount);
    await mount.kill9();
    for (const code of await inTime(broken, CALLERS_WAIT)) t.ok(KILLED.includes(code), code);
    t.ok(mount.mounted, 'the dead endpoint protects what lies below');
    await usableAgain(t, mount);
  },
);

/** A worker whose heap is full is ended by Node 20 and 22; in this loop 24 and 26 collect garbage for minutes instead. */
const NEVER_FULL =
  Number(process.versions.node.split('.')[0]) >= 24 && 'Node 24 and later do not end a thread whose heap is full';

for (const thread of ['control', 'namespace', 'data'])
  for (const how of thread === 'control' ? ['throw', 'memory'] : ['throw', 'exit', 'memory']) {
    // Without memory in the control thread Node ends the process by itself, like a kill.
    const aborted = thread === 'control' && how === 'memory';
    const status = aborted ? 'SIGABRT' : 'status 1';
    t.test(
      `${how} in a ${thread} thread ends the mount under load, with ${status}`,
      { skip: mountMissing || (how === 'memory' && thread !== 'control' && NEVER_FULL) },
      async (t) => {
        const mount = unmounted(t);
        const { exit } = await watched(mount);
        const process = mount.process();
        await writeFile(mount.path('base/1/before'), 'written before');
        const { ended: broken } = await load(mount);
        mount.fault(thread, how);
        const codes = await inTime(broken, how === 'memory' ? 15_000 : CALLERS_WAIT);
        for (const code of codes) t.ok((aborted ? KILLED : DEAD).includes(code), code);
        await ended(process, PROCESS_LIVES);
        t.strictSame(await exit, aborted ? [null, 'SIGABRT'] : [1, null], 'exit status and signal');
        mount.heal(thread);
        const { state, error } = mount.state();
        if (!aborted) {
          t.equal(state, 'failed');
          t.match(error, how === 'memory' ? /memory/ : how === 'exit' ? /ended by itself/ : /injected/);
          t.match(mount.log(), /ERROR/);
        }
        if (mount.mounted) await mount.tryUnmount();
        if (thread === 'data') {
          const { journal } = fsck({ diff: mount.diff, repair: false }, (warning) => t.fail(warning));
          t.equal(journal?.closedCleanly, false, 'nothing that was in memory then is written as a clean end');
        }
        await usableAgain(t, mount);
      },
    );
  }
