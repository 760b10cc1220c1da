// The code of writes, fsyncs and the journal's shortening run in every order of its steps with up to so many preemptions: no
// circle of threads that wait for each other, and what was written before a sync is durable after it.

import t from 'tap';
import { asFarAs } from '../../support/interleave/depth.js';
import { explore } from '../../support/interleave/explore.js';
import type { Mistake } from '../../support/interleave/stepwise.js';
import { BASED, engineThreads, PLAIN, type Work } from './engine-threads.js';

const cases = {
  'one file made on the mount': [
    [
      ['write', PLAIN],
      ['sync', PLAIN],
    ],
    [
      ['write', PLAIN],
      ['sync', PLAIN],
    ],
  ],
  'one file of the backup': [
    [
      ['write', BASED],
      ['sync', BASED],
    ],
    [['write', BASED]],
    [['sync', BASED]],
  ],
  'the journal': [[['sync', PLAIN]], [['sync', PLAIN]], [['append'], ['append']]],
  'all files and the journal': [
    [
      ['write', PLAIN],
      ['sync', PLAIN],
    ],
    [['sync all']],
    [['append'], ['shorten'], ['append']],
  ],
} satisfies Record<string, Work[][]>;
type Case = keyof typeof cases;

for (const what of Object.keys(cases) as Case[]) {
  t.test(what, async (t) => {
    const explored = explore(await engineThreads(cases[what]), asFarAs({ preemptions: 2 }));
    t.comment(JSON.stringify(explored));
    t.ok(explored.complete);
  });
}

const changes = 'overlay/data/changes';
const sync = 'overlay/data/file-sync';
const group = 'overlay/data/group-sync';

const mistakes: readonly (readonly [what: string, where: Case, ...Mistake[]])[] = [
  [
    'a file that counts as unsynced before it is written, and not after',
    'one file made on the mount',
    { module: changes, from: 'table.addFlag(row, rowFlag.dirtyData);', to: '' },
    {
      module: changes,
      from: 'this.#budget.take(taken);',
      to: 'table.addFlag(row, rowFlag.dirtyData);\nthis.#budget.take(taken);',
    },
  ],
  [
    'a sync that does not wait for another one of the same file',
    'one file made on the mount',
    {
      module: sync,
      from: 'withLock(words, table.wordBase(row) + word.syncLock, () => {',
      to: '((_, __, go) => go())(words, 0, () => {',
    },
  ],
  [
    'a sync of a file that holds up changes until all of it is durable',
    'one file of the backup',
    {
      module: sync,
      from: 'withLock(words, table.wordBase(row) + word.syncLock, () => {',
      to: 'inTurn(words, table.barrier(row), () => {',
    },
  ],
  [
    'a sync of the journal that counts what came meanwhile',
    'the journal',
    {
      module: group,
      from: '        advance(words, at.synced, covered);\n    }\n',
      to: '        advance(words, at.synced, Atomics.load(words, at.appended));\n    }\n',
    },
  ],
  [
    'a lock that is kept after a sync that others have done',
    'all files and the journal',
    {
      module: group,
      from: '    lock(words, at.lock);\n    try {\n        if (isDone(words, at, target))\n            return;',
      to: '    lock(words, at.lock);\n    if (isDone(words, at, target))\n        return;\n    try {',
    },
  ],
  [
    'a thread that falls asleep without being counted',
    'one file made on the mount',
    { module: 'pending/barrier', from: 'Atomics.add(words, at + WAITERS, 1);', to: '' },
    { module: 'pending/barrier', from: 'Atomics.sub(words, at + WAITERS, 1);', to: '' },
  ],
  [
    'a thread that is counted after it has looked again',
    'one file made on the mount',
    {
      module: 'pending/barrier',
      from: 'Atomics.add(words, at + WAITERS, 1);',
      to: 'if (Atomics.load(words, at + COMPLETED) !== completed) continue;',
    },
    {
      module: 'pending/barrier',
      from: 'Atomics.wait(words, at + COMPLETED, completed);',
      to: 'Atomics.add(words, at + WAITERS, 1);\nAtomics.wait(words, at + COMPLETED, Atomics.load(words, at + COMPLETED));',
    },
  ],
];

for (const [what, where, ...made] of mistakes) {
  t.test(`a mistake that is found: ${what}`, async (t) => {
    const scenario = await engineThreads(cases[where], made);
    t.throws(() => t.comment(JSON.stringify(explore(scenario, { preemptions: 2 }))), { message: /sleeps|durable/ });
  });
}
