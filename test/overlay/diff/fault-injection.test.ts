// Every storage call of every operation fails once, or from then on: the old content stays readable, what follows works,
// and neither a kill nor a power cut afterwards breaks the contract (oracle.ts).

import t from 'tap';
import { across, alphabet } from './alphabet.js';
import type { Mutation } from './oracle.js';
import type { Fault } from './simulated-disk.js';
import { World } from './world.js';

const faultsAt = (at: number): Fault[] =>
  [false, true].flatMap((half) =>
    [false, true].map((lasting): Fault => ({ kind: 'error', at, code: lasting ? 'ENOSPC' : 'EIO', half, lasting })),
  );

/** Worlds in which an operation may find itself: fresh, and after each mutation, with and without an fsync after it. */
function* beginnings(): Generator<[string, World]> {
  yield ['fresh', World.create()];
  for (const [name, mutation] of Object.entries(alphabet)) {
    const world = World.create();
    world.mutate(mutation);
    yield [name, world.clone()];
    world.sync();
    yield [`${name}, fsync`, world];
  }
}

/** What may come next. Each checks the file against the oracle by itself. */
const continuations: Record<string, (world: World) => void> = {
  kill: (world) => world.kill(),
  'fsync, kill': (world) => {
    world.sync();
    world.kill();
  },
  'fsync, power cut': (world) => {
    world.sync();
    world.cut('lost', 'lost', false);
    world.mountAfterCut();
  },
  'power cut that keeps all': (world) => {
    world.cut('kept', 'kept', true);
    world.mountAfterCut();
  },
  'extend, kill': (world) => {
    world.mutate({ kind: 'extend', to: 32768 });
    world.kill();
  },
  'write, kill': (world) => {
    world.mutate({ kind: 'write', from: 0, to: 2048 });
    world.kill();
  },
  'truncate, extend, fsync, power cut': (world) => {
    world.mutate({ kind: 'truncate', to: 4096 });
    world.mutate({ kind: 'extend', to: 16384 });
    world.sync();
    world.cut('lost', 'lost', false);
    world.mountAfterCut();
  },
};

function checkMutation(world: World, mutation: Mutation): number {
  let checked = 0;
  const calls = world.clone().mutate(mutation);
  for (let at = 0; at < calls; at++) {
    for (const fault of faultsAt(at)) {
      const failed = world.clone();
      failed.mutateAndFail(mutation, fault);
      for (const next of Object.values(continuations)) {
        next(failed.clone());
        checked++;
      }
      // The same operation again, when the storage works again.
      failed.mutate(mutation);
      failed.kill();
    }
  }
  return checked;
}

t.test('a storage call that fails leaves the old content, and what follows is sound (traps 22, 35)', async (t) => {
  let checked = 0;
  for (const [beginning, world] of beginnings()) {
    for (const [name, mutation] of Object.entries(across)) {
      t.doesNotThrow(() => {
        checked += checkMutation(world, mutation);
      }, `${beginning}; ${name}`);
    }
  }
  t.ok(checked > 1000, `${checked} sequences`);
});

t.test('an fsync in which a storage call fails is reported, and loses nothing by itself (traps 27, 35)', async (t) => {
  for (const [beginning, world] of beginnings()) {
    const calls = world.clone().sync();
    for (let at = 0; at < calls; at++) {
      for (const fault of faultsAt(at)) {
        const failed = world.clone();
        const reported = failed.syncAndFail(fault);
        failed.mutate(alphabet['write block 0']);
        const killed = failed.clone();
        killed.kill();
        failed.cut('lost', 'lost', false);
        failed.mountAfterCut();
        // Only the mark, the second witness of a durable slot, may fail in silence.
        t.ok(reported || at === calls - 1, `${beginning}; call ${at} of ${calls}`);
      }
    }
  }
});

t.test(
  'a failed sync of object, names or map makes every later fsync fail until the next mount (trap 35)',
  async (t) => {
    // Of a first fsync: object, names, slot (which can be written again), map.
    for (const [at, isFinal] of [true, true, false, true].entries()) {
      const world = World.create();
      world.mutate(alphabet['write block 0']);
      t.ok(world.syncAndFail({ kind: 'error', at, code: 'EIO', half: false, lasting: false }));
      if (isFinal) t.throws(() => world.sync(), { code: 'diff_sync_failed' });
      else world.sync();
      world.kill();
      world.sync();
    }
  },
);

t.test('crashes before any storage call of writes across several blocks leave each block old or new', async (t) => {
  for (const [beginning, world] of beginnings()) {
    for (const [name, mutation] of Object.entries(across)) {
      const calls = world.clone().mutate(mutation);
      for (let at = 0; at < calls; at++) {
        const dead = world.clone();
        dead.mutateAndDie(mutation, at);
        t.doesNotThrow(() => dead.clone().kill(), `${beginning}; ${name} dies before call ${at}, kill`);
        dead.cut('kept', 'kept', true);
        t.doesNotThrow(() => dead.mountAfterCut(), `${beginning}; ${name} dies before call ${at}, cut`);
      }
    }
  }
});
