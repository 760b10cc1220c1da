// Random operations on the overlay, with clean remounts, kills and power losses between them, against a model in memory.
//
// PBKFS_PROPERTY_RUNS (sequences, default 150), PBKFS_PROPERTY_STEPS (longest sequence, default 90) and
// PBKFS_PROPERTY_SEED make longer runs; a failure prints the shortest sequence found and its seed.

import { rmSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { scratchDirectory, writeSmallCatalog } from '../support/small-catalog.js';
import { operation } from './random-steps.js';
import { World } from './random-world.js';

t.setTimeout(0);

const root = scratchDirectory();
const catalog = writeSmallCatalog(`${root}/catalog`);
const numRuns = Number(process.env.PBKFS_PROPERTY_RUNS ?? 150);
const maxLength = Number(process.env.PBKFS_PROPERTY_STEPS ?? 90);
const seed = process.env.PBKFS_PROPERTY_SEED;

for (const passthrough of [false, true]) {
  const how = passthrough ? ', with passthrough' : '';
  t.test(`the overlay does what the model does (traps 15, 16, 17, 18, 19, 20, 21, 25, 36, 38)${how}`, async (t) => {
    let runs = 0;
    let steps = 0;
    fc.assert(
      fc.property(fc.array(operation, { maxLength, size: 'max' }), (operations) => {
        const diff = `${root}/run${passthrough ? 'p' : ''}${runs++}`;
        const world = new World(catalog, diff, passthrough);
        try {
          for (const step of operations) world.run(step);
          world.compare();
          world.remount();
          world.direct.close();
        } catch (error) {
          try {
            world.direct.kill();
          } catch {
            // Its descriptors are gone already.
          }
          throw error;
        } finally {
          steps += world.steps;
          rmSync(diff, { recursive: true, force: true });
        }
      }),
      { numRuns, ...(seed === undefined ? {} : { seed: Number(seed) }) },
    );
    t.pass(`${runs} sequences, ${steps} operations`);
  });
}
