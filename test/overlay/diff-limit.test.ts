// --diff-limit without a kernel: the count is exact, the limit is ENOSPC, deleting makes room, nothing old is lost.

import { cpSync } from 'node:fs';
import t from 'tap';
import { SystemError } from '../../src/errors.js';
import { DirectOverlay } from '../support/direct-overlay.js';
import { matchWhole } from '../support/match-whole.js';
import { scratchDirectory, smallFiles, writeSmallCatalog } from '../support/small-catalog.js';

const root = scratchDirectory();
const catalog = writeSmallCatalog(`${root}/catalog`);
const MIB = 2 ** 20;

/** A small generator of repeatable numbers (Lehmer). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

for (const seed of [1, 2, 3, 4]) {
  t.test(`the running count is what counting from the start gives (${seed})`, async (t) => {
    const diff = `${root}/count${seed}`;
    const random = numbers(seed * 7919);
    let direct = new DirectOverlay({ catalog, diff });
    const based = ['base/1/100', 'base/1/101', 'base/1/raw', 'base/2/200'];
    let made = 0;
    const plain: string[] = [];
    const any = (): string => {
      const names = [...based, ...plain];
      return names[random(names.length)]!;
    };
    /** What a mount after kill -9 counts, on a copy. */
    const recounted = (): number => {
      const copy = `${diff}.copy${made++}`;
      cpSync(diff, copy, { recursive: true });
      const again = new DirectOverlay({ catalog, diff: copy });
      const { blocks } = again.overlay.budget;
      again.kill();
      return blocks;
    };
    for (let step = 0; step < 240; step++) {
      const data = Buffer.alloc(1 + random(30_000), 1 + random(200));
      switch (random(9)) {
        case 0: {
          const name = `pg_wal/${step}`;
          direct.create(name).close();
          plain.push(name);
          break;
        }
        case 1:
          if (plain.length > 0) direct.unlink(plain.splice(random(plain.length), 1)[0]!);
          break;
        case 2:
          direct.truncate(any(), random(80_000));
          break;
        case 3:
          direct.fallocate(any(), random(60_000), 1 + random(40_000), {
            zero: random(2) === 0,
            keepSize: random(2) === 0,
          });
          break;
        default:
          direct.write(any(), random(70_000), data);
      }
      if (random(12) === 0) direct.dropCaches();
      if (step % 60 === 59) {
        direct.dropCaches();
        t.equal(direct.overlay.budget.blocks, recounted(), `after ${step + 1} steps`);
      }
    }
    direct.dropCaches();
    const { blocks } = direct.overlay.budget;
    t.ok(blocks > 0);
    direct.close();
    direct = new DirectOverlay({ catalog, diff });
    t.equal(direct.overlay.budget.blocks, blocks, 'a clean unmount writes the counts down');
    for (const name of [...plain, ...based]) direct.unlink(name);
    direct.dropCaches();
    t.equal(direct.overlay.budget.blocks, 0, 'without files nothing is in use');
    direct.close();
  });
}

t.test('at the limit what needs space is ENOSPC, the rest goes on', async (t) => {
  const diff = `${root}/limit`;
  let direct = new DirectOverlay({ catalog, diff, diffLimit: MIB });
  const enospc = { code: 'ENOSPC' };
  const block = Buffer.alloc(8192, 7);
  direct.write('base/1/101', 0, block);
  direct.create('pg_wal/1').close();
  direct.write('pg_wal/1', 0, Buffer.alloc(700_000, 1));
  t.strictSame(direct.warnings, [], 'below 80 %');
  direct.write('pg_wal/1', 700_000, Buffer.alloc(150_000, 1));
  matchWhole(t, direct.warnings, [/the diff holds 8\d % of the 1 MiB that --diff-limit allows/]);
  const before = direct.overlay.budget.blocks;
  t.throws(() => direct.write('pg_wal/1', 850_000, Buffer.alloc(300_000, 1)), enospc, 'more than there is room');
  t.equal(direct.overlay.budget.blocks, before, 'a refusal takes nothing');
  t.equal(direct.stat('pg_wal/1').size, 850_000);
  for (let size = 850_000; ; size += 8192) {
    try {
      direct.write('pg_wal/1', size, block);
    } catch (error) {
      t.match(error, enospc);
      break;
    }
  }
  t.equal(direct.overlay.budget.blocks * 8192, MIB);
  t.throws(() => direct.write('base/1/101', 8192, block), enospc, 'overwriting a block that only the backup has');
  t.throws(() => direct.write('base/1/100', 0, block), enospc, 'a first write to a file');
  t.throws(() => direct.truncate('base/1/101', 100_000), enospc, 'growing by truncate');
  t.throws(() => direct.fallocate('pg_wal/1', 1_100_000, 8192), enospc);
  t.throws(() => direct.create('pg_wal/2'), enospc);
  t.equal(direct.warnings.length, 2, 'one line, not one for each refusal');
  t.match(direct.warnings[1], /has reached its limit of 1 MiB/);
  t.equal(direct.write('base/1/101', 0, Buffer.alloc(8192, 8)), 8192, 'what the diff has may be overwritten');
  t.equal(direct.write('pg_wal/1', 100, block), 8192);
  t.ok(direct.readAll('base/1/100').equals(smallFiles.get('base/1/100')!), 'nothing old is lost');
  direct.rename('pg_wal/1', 'pg_wal/3');
  direct.close();

  direct = new DirectOverlay({ catalog, diff, diffLimit: MIB });
  matchWhole(t, direct.warnings, [/the diff holds 100 %/], 'a remount says so at once');
  t.throws(() => direct.create('pg_wal/2'), enospc);
  direct.truncate('pg_wal/3', 8192);
  direct.create('pg_wal/2').close();
  direct.write('base/1/100', 0, block);
  direct.unlink('pg_wal/3');
  direct.close();
  direct = new DirectOverlay({ catalog, diff, diffLimit: 4 * MIB });
  t.strictSame(direct.warnings, []);
  direct.write('pg_wal/2', 0, Buffer.alloc(2 * MIB));
  direct.close();
});

t.test('copying on read stops at a quota, reading goes on', async (t) => {
  const direct = new DirectOverlay({ catalog, diff: `${root}/quota`, materializeOnRead: true });
  direct.overlay.ensureObject = () => {
    throw new SystemError('EDQUOT');
  };
  t.ok(direct.readAll('base/1/100').equals(smallFiles.get('base/1/100')!));
  direct.close();
});

t.test('copying on read stops at the limit, reading goes on, and nothing counts as refused', async (t) => {
  const direct = new DirectOverlay({ catalog, diff: `${root}/read`, diffLimit: MIB, materializeOnRead: true });
  direct.create('pg_wal/1').close();
  direct.write('pg_wal/1', 0, Buffer.alloc(MIB, 1));
  t.ok(direct.readAll('base/1/100').equals(smallFiles.get('base/1/100')!));
  t.equal(direct.overlay.budget.blocks * 8192, MIB);
  // Room for the file's block map, and for none of its blocks.
  direct.truncate('pg_wal/1', MIB - 8192);
  t.ok(direct.readAll('base/1/100').equals(smallFiles.get('base/1/100')!));
  t.match(direct.overlay.budget.state(), { bytes: MIB - 8192, refusals: 0 });
  t.strictSame(direct.warnings.slice(1), []);
  direct.close();
});
