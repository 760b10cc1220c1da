// The thread of names is started before it is known whether anything will be mounted. A process that ends while that thread loads
// a native module is aborted by Node, and prints that instead of its own message.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { pbkfs } from '../support/mount.js';
import { temporaryDirectory } from '../support/swept.js';
import { until } from '../support/until.js';

/** Loads late in every thread but the main one, and writes down that the thread came to its own end. */
const SLOW_THREADS = `
const { isMainThread } = require('node:worker_threads');
if (!isMainThread) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  process.on('exit', () => require('node:fs').appendFileSync(process.env.TEST_ENDED, 'ended\\n'));
}
`;

for (const [what, args] of [
  ['a mount that is refused', ['-B', '/no-catalog', '-I', 'main', '-i', 'latest', '-d', '/no-diff']],
  ['wrong options', ['--no-such-option']],
] as const) {
  t.test(`${what}: the thread that was started ends by itself, and only the message is printed`, async (t) => {
    const directory = temporaryDirectory('pbkfs-unused-');
    t.teardown(() => rmSync(directory, { recursive: true }));
    const preload = join(directory, 'slow-threads.cjs');
    const ended = join(directory, 'ended');
    writeFileSync(preload, SLOW_THREADS);
    writeFileSync(ended, '');
    const env = { NODE_OPTIONS: `--require=${preload}`, TEST_ENDED: ended };
    const { status, stderr } = await pbkfs(['mount', '-D', join(directory, 'mnt'), ...args], env);
    t.not(status, 0);
    t.match(stderr, /^pbkfs: .*\n(hint: .*|\(add --help for help\))\n$/);
    // Waited for: of wrong options the launcher tells without the process it had started.
    await until(() => readFileSync(ended, 'utf8') !== '', 30_000);
    t.equal(readFileSync(ended, 'utf8'), 'ended\n');
  });
}
