// The code of block indexes, run in every order of its steps with up to so many preemptions: nobody reads what was given
// back or belongs to another file, nothing leaks, and nobody sleeps for ever. index-model.test.ts looks further, at a model.

import t from 'tap';
import { asFarAs } from '../../support/interleave/depth.js';
import { explore } from '../../support/interleave/explore.js';
import type { Mistake } from '../../support/interleave/stepwise.js';
import { type File, indexThreads } from './index-threads.js';

const one: File = { row: 1 };
const two: File = { row: 2 };
const next: File = { row: 1, later: true };

const cases = {
  'two threads and two files': [
    [one, two, one],
    [two, one],
  ],
  'the same file': [[one], [one], [two]],
  'a row that is forgotten': [[one, two], [two], [next]],
} satisfies Record<string, File[][]>;
const preemptions = { 'two threads and two files': 2, 'the same file': 2, 'a row that is forgotten': 1 };
type Case = keyof typeof cases;

for (const what of Object.keys(cases) as Case[]) {
  t.test(what, async (t) => {
    const explored = explore(await indexThreads(cases[what]), asFarAs({ preemptions: preemptions[what] }));
    t.comment(JSON.stringify(explored));
    t.ok(explored.complete);
  });
}

const cache = 'overlay/shared/index-cache';
const claims =
  'if (Atomics.compareExchange(this.#table.words, at, ready, evicting) !== ready)\n            return false;';
const looks =
  'if (this.#users.has(row)) {\n            this.#become(row, ready);\n            return false;\n        }';

const mistakes: readonly (readonly [what: string, where: Case, ...Mistake[]])[] = [
  [
    'an evictor that looks for readers before it changes the state',
    'two threads and two files',
    { module: cache, from: claims, to: 'if (this.#users.has(row)) return false;' },
    { module: cache, from: looks, to: claims },
  ],
  [
    'a reader that loads the state before it enters',
    'two threads and two files',
    { module: cache, from: 'this.#users.enter(row);', to: '' },
    { module: cache, from: 'if (words[at + USED] === 0)', to: 'this.#users.enter(row);\nif (words[at + USED] === 0)' },
  ],
  [
    'nobody is told of a new state',
    'the same file',
    { module: cache, from: 'Atomics.notify(this.#table.words, at);', to: '' },
  ],
  [
    'a state that is told of before it is there',
    'the same file',
    {
      module: cache,
      from: 'Atomics.store(this.#table.words, at, state);',
      to: 'Atomics.notify(this.#table.words, at);\nAtomics.store(this.#table.words, at, state);',
    },
    { module: cache, from: '        Atomics.notify(this.#table.words, at);\n    }', to: '    }' },
  ],
  [
    'an index that is ready before it is known where it lies',
    'the same file',
    {
      module: cache,
      from: 'table.setDouble(row, double.indexOffset, offset);',
      to: 'this.#become(row, indexState.ready);\ntable.setDouble(row, double.indexOffset, offset);',
    },
  ],
  [
    'a thread that goes on using the place where an index lay',
    'two threads and two files',
    {
      module: 'overlay/data/shared-index',
      from: 'offset === this.#offset && checksums === this.#checksums',
      to: 'true',
    },
  ],
  [
    'a row that is given away while its index is being evicted',
    'a row that is forgotten',
    { module: cache, from: 'Atomics.wait(words, at, indexState.evicting);', to: 'return;' },
  ],
];

for (const [what, where, ...made] of mistakes) {
  t.test(`a mistake that is found: ${what}`, async (t) => {
    const scenario = await indexThreads(cases[where], made);
    t.throws(() => t.comment(JSON.stringify(explore(scenario, { preemptions: preemptions[where] }))), {
      message: /sleeps|reads|leaked|left in/,
    });
  });
}
