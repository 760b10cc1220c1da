// The code of data threads and namespace thread, run in every order of its steps with up to so many preemptions: no request
// is lost or served twice, no slot is kept, nobody sleeps while something waits for him, and all threads end. That such
// mistakes would be found is shown by making some.

import t from 'tap';
import { asFarAs } from '../support/interleave/depth.js';
import { explore } from '../support/interleave/explore.js';
import type { Mistake } from '../support/interleave/stepwise.js';
import type { Bounds } from '../support/interleave/world.js';
import { type Mount, mountThreads } from './mount-threads.js';

type Case = readonly [what: string, mount: Mount, bounds: Bounds & { readonly preemptions: number }];

const readers: readonly Case[] = [
  ['two readers', { readers: 2, requests: ['slow', 'slow', 'quick'], nameless: true }, { preemptions: 2 }],
  [
    'one of two rests',
    { readers: 2, requests: ['slow', 'quick', 'slow'], fewest: 1, nameless: true },
    { preemptions: 2 },
  ],
  [
    'one of three rests',
    { readers: 3, requests: ['slow', 'slow', 'slow'], fewest: 2, nameless: true },
    { preemptions: 1 },
  ],
  [
    'fewer are needed after a while',
    { readers: 3, requests: ['slow', 'slow', 'quick'], fewest: 1, nameless: true },
    { preemptions: 1, clockTick: 60 },
  ],
  [
    'the mount goes at any time',
    { readers: 2, requests: ['slow', 'slow'], fewest: 1, nameless: true, ends: 'any time' },
    { preemptions: 2 },
  ],
];
const names: readonly Case[] = [
  ['a name', { readers: 1, requests: ['name'] }, { preemptions: 3, timeouts: 1 }],
  ['slots are waited for', { readers: 1, requests: ['name', 'name', 'name'] }, { preemptions: 2, timeouts: 1 }],
  ['what nobody waits for', { readers: 1, requests: ['forget', 'forget', 'forget'] }, { preemptions: 2, timeouts: 2 }],
  [
    'a question',
    { readers: 1, requests: ['question', 'forget'], plain: ['fs/channel'] },
    { preemptions: 2, timeouts: 1 },
  ],
  ['two readers', { readers: 2, requests: ['name', 'question'] }, { preemptions: 1, timeouts: 0 }],
  ['it hears of a reader late', { readers: 1, requests: ['name'], lateChannel: true }, { preemptions: 2, timeouts: 1 }],
  [
    'the mount goes at any time',
    { readers: 1, requests: ['forget', 'name'], ends: 'any time' },
    { preemptions: 2, timeouts: 1 },
  ],
];

for (const [what, mount, bounds] of [...readers, ...names]) {
  t.test(`${mount.nameless ? 'readers' : 'namespace'}: ${what}`, async (t) => {
    const explored = explore(await mountThreads(mount), asFarAs(bounds));
    t.comment(JSON.stringify(explored));
    t.ok(explored.complete);
  });
}

const handover = 'fs/handover-queue';
const resting = 'fs/resting-readers';
const channel = 'fs/channel';
const [twoReaders, oneRests, threeReaders] = readers as [Case, Case, Case];
const [, slots, forgets, question, , , anyTime] = names as [Case, Case, Case, Case, Case, Case, Case];

const mistakes: readonly (readonly [what: string, where: Case, ...Mistake[]])[] = [
  [
    'who enters takes what is there, whether or not somebody reads',
    threeReaders,
    { module: handover, from: 'take = at !== words[word.pushed] && !mustRead', to: 'take = at !== words[word.pushed]' },
  ],
  [
    'a thread lies down without looking once more',
    oneRests,
    { module: resting, from: 'if (wanted() && this.#take(word.parked))', to: 'if (false)' },
  ],
  ['nobody is woken', oneRests, { module: resting, from: 'Atomics.notify(words, word.tokens, 1);', to: '' }],
  [
    'woken before there is a token',
    oneRests,
    { module: resting, from: 'Atomics.add(words, word.tokens, 1);', to: 'Atomics.notify(words, word.tokens, 1);' },
    {
      module: resting,
      from: '        Atomics.notify(words, word.tokens, 1);\n        return true',
      to: '        Atomics.add(words, word.tokens, 1);\n        return true',
    },
  ],
  ['at the end nobody is woken', oneRests, { module: 'fs/reader-loop', from: 'options.resting.end();', to: '' }],
  ['a lock that does not lock', twoReaders, { module: 'pending/mutex', from: '=== FREE)\n', to: '>= 0)\n' }],
  ['a lock that wakes nobody', twoReaders, { module: 'pending/mutex', from: 'Atomics.notify(words, at, 1);', to: '' }],
  [
    'a request that rings before it is there',
    slots,
    { module: channel, from: 'Atomics.store(this.#words, slot, slotState.posted);', to: '' },
    {
      module: channel,
      from: 'this.#isUnrung = true;\n        else\n            this.#ring();',
      to: 'this.#isUnrung = true; else this.#ring();\nAtomics.store(this.#words, slot, slotState.posted);',
    },
  ],
  [
    'a FORGET that looks whether it must ring before it is there',
    forgets,
    {
      module: channel,
      from: 'const mayWait = ',
      to: 'const rests = Atomics.load(this.#control, control.namespaceRests);\nconst mayWait = ',
    },
    { module: channel, from: 'Atomics.load(this.#control, control.namespaceRests) === 0)', to: 'rests === 0)' },
  ],
  [
    'a namespace thread that rests without looking once more',
    forgets,
    {
      module: 'fs/bell-waiter',
      from: 'control.namespaceRests, 1);',
      to: 'control.namespaceRests, 1), Atomics.wait(this.#control, control.bell, bell);',
    },
  ],
  [
    'a bell that does not count',
    slots,
    { module: channel, from: 'Atomics.add(controlWords, control.bell, 1);', to: '' },
  ],
  [
    'a bell that is read after the look at the channels',
    slots,
    { module: 'fs/namespace-loop', from: 'const bell = Atomics.load(controlWords, control.bell);', to: '' },
    {
      module: 'fs/namespace-loop',
      from: 'waiter.wait(bell, ',
      to: 'waiter.wait(Atomics.load(controlWords, control.bell), ',
    },
  ],
  [
    'a slot that is given back before the look whether somebody waits',
    slots,
    {
      module: channel,
      from: 'if (Atomics.exchange(this.#words, slot, slotState.free) === slotState.awaited)',
      to: 'const was = Atomics.load(this.#words, slot);\nAtomics.store(this.#words, slot, slotState.free);\nif (was === slotState.awaited)',
    },
  ],
  [
    'who waits for a slot does not mind that it is free by now',
    slots,
    {
      module: channel,
      from: 'Atomics.compareExchange(this.#words, slot, slotState.posted, slotState.awaited)',
      to: 'Atomics.store(this.#words, slot, slotState.awaited)',
    },
  ],
  [
    'an answer that is there before its text',
    question,
    {
      module: channel,
      from: 'this.#words[word.length] = ',
      to: 'Atomics.store(this.#words, word.question, questionState.answered);\nthis.#words[word.length] = ',
    },
  ],
  [
    'an answer that wakes nobody',
    question,
    { module: channel, from: 'Atomics.notify(this.#words, word.question);', to: '' },
  ],
  [
    'a namespace thread that looks at the channels before it hears that it is the end',
    anyTime,
    { module: 'fs/namespace-loop', from: 'const stopping = Atomics.load(controlWords, control.stop) !== 0;', to: '' },
    { module: 'fs/namespace-loop', from: 'if (stopping)', to: 'if (Atomics.load(controlWords, control.stop) !== 0)' },
  ],
];

for (const [what, [, mount, bounds], ...made] of mistakes) {
  t.test(`a mistake that is found: ${what}`, async (t) => {
    const scenario = await mountThreads(mount, made);
    t.throws(
      () => t.comment(JSON.stringify(explore(scenario, bounds))),
      /sleeps|nobody reads|served|slots of|waits|answered|another one|posted|for ever/,
    );
  });
}
