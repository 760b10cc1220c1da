// Memory of a mount: idle, for each thread, and after much was read.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MountTarget } from '../../test/support/mount.js';
import { addTerabyte, segmentPath } from '../catalog/terabyte.js';
import type { Row } from '../report/results.js';
import { makeCluster } from '../run/cluster.js';
import type { BenchCase, Context } from '../run/context.js';
import { residentBytes } from '../run/cpu.js';
import { fio } from '../run/fio.js';
import { mounted, PBKFS } from '../run/sides.js';
import { benchTarget } from '../target.js';

const MB = 1e6;
const GIB = 2 ** 30;

export const memory: BenchCase = {
  name: 'memory',
  title: 'Memory',
  method:
    'Resident memory of the mount process: of a mount of the demo chain a second after it was made, with 4 and with 8 data threads; and of a mount with 4 threads after 10 segments of 1 GiB (quick: 2) of a zlib chain were read from front to back by 4 readers, the block indexes of all of them included.',
  run: async (context: Context): Promise<Row[]> => {
    const demo = await benchTarget(context.stage);
    const { rounds } = context.options;
    const idle: number[] = [];
    const thread: number[] = [];
    for (let round = 0; round < rounds; round++) {
      context.progress.say('idle mounts');
      const four = await idleMemory(context, demo, 4);
      idle.push(four);
      thread.push(Number((((await idleMemory(context, demo, 8)) - four) / 4).toPrecision(3)));
    }
    const segments = context.size(10, 2);
    context.progress.say('making the segments');
    const { target } = await makeCluster(context.stage, { scale: 0, more: addTerabyte(segments) });
    const { mountpoint, owner } = await mountOf(context, target);
    for (let segment = 0; segment < segments; segment++) {
      context.progress.say(`reading segment ${segment + 1} of ${segments}`);
      const file = join(mountpoint, segmentPath(segment));
      const more = [`--offset_increment=${GIB / 4}`];
      await fio({ rw: 'read', where: { file }, size: GIB / 4, jobs: 4, block: 1 << 20, more }, false);
    }
    const scanned = residentBytes(owner) / MB;
    const stat = JSON.parse(readFileSync(join(mountpoint, '.pbkfs/stat'), 'utf8')) as { indexBytes: number };
    const row = (id: string, what: string, samples: number[], atMost?: number): Row => ({
      id: `memory/${id}`,
      what,
      unit: 'MB',
      sides: [{ side: PBKFS, samples: samples.map((value) => Number(value.toPrecision(4))) }],
      targets: atMost === undefined ? [] : [{ value: true, atMost }],
    });
    return [
      row('idle', 'idle, 4 data threads', idle, 120),
      row('thread', 'each further thread', thread, 12),
      row('scan', `after reading ${segments} GiB`, [scanned], 300),
      row('index', 'of which block indexes', [stat.indexBytes / MB]),
    ];
  },
};

function idleMemory(context: Context, target: MountTarget, threads: number): Promise<number> {
  return context.stage.act(async (stage) => {
    const mount = await mounted(stage, target, {}, ['--threads', String(threads)]);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return residentBytes(mount.owner()!.pid) / MB;
  });
}

async function mountOf(context: Context, target: MountTarget): Promise<{ mountpoint: string; owner: number }> {
  const mount = await mounted(context.stage, target, {}, ['--threads', '4']);
  return { mountpoint: mount.mountpoint, owner: mount.owner()!.pid };
}
