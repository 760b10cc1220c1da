// Signals to callers that wait for the mount (FUSE_INTERRUPT): the operation ends whole, its reply arrives, nobody else notices.
// The kernel interrupts writes, fsyncs and names; readers of files wait for their bytes even when they are killed.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { CounterSnapshot } from '../../src/metrics/counters.js';
import { startTime, writeCatalog } from '../support/catalog-writer.js';
import { mountMissing } from '../support/mount.js';
import { makePage } from '../support/pages.js';
import { smallFiles } from '../support/small-catalog.js';
import { until } from '../support/until.js';
import { type SmallMount, smallMount, unmounted } from './small-mount.js';

const BLOCK = 8192;
const SEGMENT = 'base/1/100';
const original = smallFiles.get(SEGMENT)!;

function counters(mount: SmallMount): CounterSnapshot {
  return (JSON.parse(readFileSync(mount.path('.pbkfs/stat'), 'utf8')) as { counters: CounterSnapshot }).counters;
}

/** Requests that the mount has and has not answered: the one that asks for this, and others. */
function underWay(mount: SmallMount): number {
  const text = readFileSync(mount.path('.pbkfs/metrics'), 'utf8');
  return Number(/^pbkfs_pending_operations\S* (\d+)$/m.exec(text)?.[1]);
}

interface Caller {
  readonly child: ChildProcess;
  /** status and signal */
  readonly ended: Promise<unknown[]>;
  /** standard error */
  said(): string;
}

/** A shell that calls the mount. */
function caller(line: string, ...args: string[]): Caller {
  const child = spawn('sh', ['-c', line, 'sh', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  return { child, ended: once(child, 'close'), said: () => said };
}

/** Makes fsync of a file take 2 s from now on; it has an object, the only one there is. */
function slowSync(mount: SmallMount): void {
  const [object] = readdirSync(join(mount.diff, 'objects'));
  mount.fault('slow-sync', join(mount.diff, 'objects', object!));
}

/** Unmounts: the mount answered everybody to the end, and the kernel refused no reply. */
async function unharmed(t: Test, mount: SmallMount): Promise<CounterSnapshot> {
  await writeFile(mount.path('base/1/after'), 'works', { flush: true });
  await mount.unmount();
  const counted = JSON.parse(readFileSync(join(mount.diff, 'counters.json'), 'utf8')) as CounterSnapshot;
  t.equal(counted.replyGone, 0, 'every reply found its request');
  t.equal(counted.errors, 0, 'no EIO');
  t.equal(mount.state().state, 'clean');
  return counted;
}

t.test('killed in a slow fsync: what it wrote stays, others go on (trap 29)', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const path = mount.path('base/1/slow');
  await writeFile(path, 'written before');
  slowSync(mount);
  const before = counters(mount);
  const line = 'exec dd of="$1" bs=8k count=1 if=/dev/zero conv=notrunc,fsync oflag=append';
  const { child, ended } = caller(line, path);
  await until(() => underWay(mount) > 1, 30_000);
  child.kill('SIGKILL');
  const others: number[] = [];
  for (let n = 0; n < 5; n++) {
    const from = performance.now();
    await writeFile(mount.path(`base/1/other${n}`), 'other', { flush: true });
    t.equal(await readFile(mount.path(`base/1/other${n}`), 'utf8'), 'other');
    others.push(performance.now() - from);
  }
  t.ok(Math.min(...others) < 1500, `the others took ${others.map((ms) => ms.toFixed(0))} ms`);
  t.strictSame(await ended, [null, 'SIGKILL']);
  t.ok(counters(mount).interrupt > before.interrupt, 'it was interrupted');
  mount.heal('slow-sync');
  // A ticket or a lock left behind would stop these.
  const file = await open(path, 'r+');
  await file.write('again', 0);
  await file.sync();
  await file.close();
  const wanted = Buffer.concat([Buffer.from('againen before'), Buffer.alloc(BLOCK)]);
  t.strictSame(await readFile(path), wanted);
  await unharmed(t, mount);
  await mount.remount();
  t.strictSame(await readFile(path), wanted);
  await mount.unmount();
});

t.test(
  'killed in the middle of writing: each write is whole or undone (trap 29)',
  { skip: mountMissing },
  async (t) => {
    const blocks = 300;
    const mount = unmounted(t);
    mount.catalog = join(mount.base, 'long');
    const pages = Array.from(
      { length: blocks },
      (_, block) => [block, makePage(block, block, { filled: true })] as const,
    );
    const directories = ['base', 'base/1', 'global'].map((path) => ({ path, dir: true as const }));
    const control = { path: 'global/pg_control', content: Buffer.alloc(BLOCK, 1) };
    const files = [...directories, control, { path: SEGMENT, pages, alg: 'none' as const }];
    writeCatalog(mount.catalog, [{ start: startTime(1), mode: 'FULL', files }]);
    await mount.first();
    mount.fault('slow-read', mount.catalog);
    const before = counters(mount);
    // Every block has to be fetched, 50 ms each: it would take 15 s.
    const size = 5000;
    const line = `exec dd if=/dev/zero of="$1" bs=${size} count=480 conv=notrunc`;
    const { child, ended } = caller(line, mount.path(SEGMENT));
    await until(() => counters(mount).write > before.write + 3, 30_000);
    child.kill('SIGKILL');
    t.strictSame(await ended, [null, 'SIGKILL']);
    mount.heal('slow-read');
    const was = Buffer.concat(pages.map(([, page]) => page));
    const now = await readFile(mount.path(SEGMENT));
    t.equal(now.length, was.length);
    let zeros = 0;
    while (now[zeros] === 0) zeros++;
    const done = Math.floor(zeros / size);
    t.ok(done >= 1 && done < 480, `${done} writes, ${zeros} bytes`);
    // The kernel may send a write in two parts, cut where a page of the caller's memory or of the file ends; the one that
    // was killed may have come to an end between them.
    const upTo = (end: number): boolean => now.equals(Buffer.from(was).fill(0, 0, end));
    const page = (size * (done + 1)) & ~4095;
    const ends = [size * done, size * done + 4096, page, page - 4096].filter((end) => end >= size * done);
    t.ok(ends.some(upTo), 'and nothing of a further one but a part that the kernel sent');
    await unharmed(t, mount);
  },
);

t.test('readers killed on a slow disk: the others get their own bytes (trap 29)', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  mount.fault('slow-read', mount.catalog);
  const copy = join(mount.base, 'copy');
  await writeFile(copy, original);
  const before = counters(mount);
  // More than there can be data threads: some are killed before the mount has read their request.
  const reads = 'for i in 1 2 3; do dd if="$1" bs=8k iflag=direct 2>/dev/null | cmp - "$2" || exit 1; done';
  const callers = Array.from({ length: 32 }, (_, n) =>
    n % 2 === 0
      ? caller(reads, mount.path(SEGMENT), copy)
      : caller('exec dd if="$1" of=/dev/null bs=8k iflag=direct', mount.path(SEGMENT)),
  );
  await until(() => counters(mount).read > before.read + 16, 30_000);
  for (const [n, { child }] of callers.entries()) if (n % 2 === 1) child.kill('SIGKILL');
  for (const [n, { ended, said }] of callers.entries()) {
    const [status, signal] = await ended;
    if (n % 2 === 0) t.strictSame([status, said()], [0, ''], `reader ${n}`);
    else t.ok(signal === 'SIGKILL' || status === 0, `reader ${n} was killed, or was done`);
  }
  mount.heal('slow-read');
  await unharmed(t, mount);
});

t.test('signals that kill nobody: no EINTR, no EIO, all bytes (trap 29)', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  await writeFile(mount.path(SEGMENT), original.subarray(0, 1), { flag: 'r+' });
  slowSync(mount);
  mount.fault('slow-read', mount.catalog);
  // dd says how far it is at each SIGUSR1, and goes on. Reads of the backup; writes that need a part of a block of it.
  const reads = 'exec dd if="$1" bs=8k iflag=direct of="$2"';
  const writes = 'exec dd if=/dev/zero of="$1" bs=1000 count=20 conv=notrunc,fsync';
  const out = join(mount.base, 'out');
  const calls = [caller(reads, mount.path(SEGMENT), out)];
  for (const { child, ended, said } of calls) {
    const over = ended.then(() => true);
    while (!(await Promise.race([over, sleep(5)]))) if (catches(child)) child.kill('SIGUSR1');
    t.strictSame(await ended, [0, null], said());
    if (calls.length === 1) calls.push(caller(writes, mount.path(SEGMENT)));
  }
  t.strictSame(await readFile(out), original);
  t.strictSame(await readFile(mount.path(SEGMENT)), Buffer.from(original).fill(0, 0, 20_000));
  mount.heal('slow-read');
  mount.heal('slow-sync');
  t.ok((await unharmed(t, mount)).interrupt > 0, 'it was interrupted');
});

/** Whether the program catches SIGUSR1: it is dd by then, not the shell that the signal would end. */
function catches({ pid }: ChildProcess): boolean {
  try {
    const [, mask] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))!;
    return (BigInt(`0x${mask}`) & (1n << BigInt(constants.signals.SIGUSR1 - 1))) !== 0n;
  } catch {
    return false; // It has ended.
  }
}
