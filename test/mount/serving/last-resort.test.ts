// A process whose end is due, and one of its threads does not end.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { temporaryDirectory } from '../../support/swept.js';

const MODULE = new URL('../../../src/mount/serving/last-resort.js', import.meta.url).href;

/** How a process ends whose thread runs `thread`; its end is due at once. */
async function endOf(t: Test, thread: string, looks = ''): Promise<unknown[]> {
  const script = `
    import { Worker } from 'node:worker_threads';
    import { killAfterGrace } from '${MODULE}';
    new Worker(${JSON.stringify(thread)}, { eval: true, execArgv: [] }).once('message', () => {
      process.exitCode = 3;
      killAfterGrace(${looks});
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  t.teardown(() => child.kill('SIGKILL'));
  return once(child, 'exit');
}

const READY = `require('node:worker_threads').parentPort.postMessage('ready');`;

t.test('a thread that sits in a system call for ever: killed', async (t) => {
  const base = temporaryDirectory('pbkfs-last-resort-');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const fifo = join(base, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const stuck = `${READY} require('node:fs').openSync(${JSON.stringify(fifo)});`;
  t.strictSame(await endOf(t, stuck, '20'), [null, 'SIGKILL']);
});

t.test('a thread that takes its time: its own end, and the exit status', async (t) => {
  const slow = `${READY} Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);`;
  t.strictSame(await endOf(t, slow), [3, null]);
});

/** What becomes of a process in which `throwing` runs: what it says, and how it ends. */
async function afterErrors(t: Test, throwing: string): Promise<{ said: unknown; end: unknown[] }> {
  const script = `
    import { LastResort } from '${MODULE}';
    const said = [];
    const lastResort = new LastResort((error) => said.push('at first: ' + error.message));
    const armed = () => lastResort.arm({ error: (...words) => said.push(words) }, (error) => said.push(error.message));
    const say = () => console.log(JSON.stringify([...said, lastResort.tripped]));
    ${throwing}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (data) => {
    said += data;
  });
  return { end: await once(child, 'close'), said: said === '' ? undefined : JSON.parse(said) };
}

t.test('an error that nobody caught: logged, told once, and the end of the process', async (t) => {
  const { said, end } = await afterErrors(
    t,
    `armed();
    setTimeout(() => { throw Object.assign(new Error('one'), { stack: 'where it was' }); }, 1);
    setTimeout(() => { Promise.reject(Object.assign(new Error('two'), { stack: undefined })); }, 20);
    setTimeout(() => { throw 'three'; }, 40);
    setTimeout(say, 100);`,
  );
  const what = 'uncaught error, the mount ends';
  t.strictSame(said, [
    [what, { error: 'where it was' }],
    'one',
    [what, { error: 'two' }],
    [what, { error: 'three' }],
    true,
  ]);
  t.strictSame(end, [1, null]);
});

t.test('also before there is a log; without an error nothing has happened', async (t) => {
  const early = await afterErrors(t, `setTimeout(() => { throw new Error('one'); }, 1); setTimeout(say, 100);`);
  t.strictSame(early, { said: ['at first: one', true], end: [1, null] });
  t.strictSame(await afterErrors(t, 'armed(); say();'), { said: [false], end: [0, null] });
});

t.test('a process that does not end after such an error is killed, but not at once', async (t) => {
  const begun = performance.now();
  const { end } = await afterErrors(t, `setInterval(() => undefined, 1000); throw new Error('one');`);
  t.strictSame(end, [null, 'SIGKILL']);
  t.ok(performance.now() - begun > 9000);
});
