// How the namespace thread waits, step by step, on a clock of our own.

import t from 'tap';
import { BellWaiter } from '../../src/fs/bell-waiter.js';
import { control } from '../../src/overlay/shared/shared-state.js';

/** A waiter whose clock goes on by `step` ms with each look at it, and calls `looked` then. */
function setUp(step = 0.01) {
  const words = new Int32Array(new SharedArrayBuffer(256));
  const state = { now: 0, looks: 0, looked: (): void => undefined };
  const waiter = new BellWaiter(words, () => {
    state.looks++;
    state.looked();
    state.now += step;
    return state.now;
  });
  const bell = () => Atomics.load(words, control.bell);
  const ring = () => void Atomics.add(words, control.bell, 1);
  /** A sleep that ends at once, because the bell has rung since. How often the clock was looked at. */
  const shortSleep = (): number => {
    const before = state.looks;
    const heard = bell();
    ring();
    waiter.wait(heard, 1000);
    return state.looks - before;
  };
  const rests = () => Atomics.load(words, control.namespaceRests);
  return { state, waiter, bell, ring, shortSleep, rests };
}

const ASLEEP = 2;

t.test('after a short sleep it stays awake, and hears the bell without sleeping', async (t) => {
  const { state, waiter, bell, ring, shortSleep } = setUp();
  t.equal(shortSleep(), ASLEEP);
  let left = 3;
  state.looked = () => {
    if (--left === 0) ring();
  };
  const [heard, before] = [bell(), state.looks];
  waiter.wait(heard, Number.POSITIVE_INFINITY);
  t.equal(bell(), heard + 1);
  t.equal(state.looks - before, 3, 'it was heard at once');
});

t.test('awake in vain: it sleeps 16 times before it tries again, then 32 times', async (t) => {
  const { state, waiter, bell, ring, shortSleep } = setUp(0.03);
  /** The bell rings when it has just given up. */
  const stayAwakeInVain = (): void => {
    let looks = 0;
    state.looked = () => {
      if (++looks === 3) ring();
    };
    waiter.wait(bell(), Number.POSITIVE_INFINITY);
    state.looked = () => undefined;
    t.equal(looks, 4);
  };
  const untilAwake = (): number => {
    let sleeps = 0;
    while (shortSleep() === ASLEEP) sleeps++;
    return sleeps;
  };
  shortSleep();
  stayAwakeInVain();
  for (let i = 0; i < 15; i++) t.equal(shortSleep(), ASLEEP);
  stayAwakeInVain();
  t.equal(untilAwake(), 31, 'with the one after the failure 32');
  t.equal(untilAwake(), 0, 'and goes on while that pays');
  stayAwakeInVain();
  t.equal(untilAwake(), 15, 'a success makes up for the failures before');
});

t.test('after long sleeps it does not stay awake', async (t) => {
  const { shortSleep } = setUp(1);
  for (let i = 0; i < 5; i++) t.equal(shortSleep(), ASLEEP);
});

t.test('it rests once nothing came for a while, and no more when the bell has rung', async (t) => {
  const { waiter, bell, shortSleep, rests } = setUp();
  t.equal(rests(), 0);
  waiter.wait(bell(), Number.POSITIVE_INFINITY);
  t.equal(rests(), 1, 'returned for one more look');
  waiter.wait(bell(), 1);
  t.equal(rests(), 1, 'as long as only time passes');
  shortSleep();
  t.equal(rests(), 0);
});
