// How far the tests of orders look.

import type { Bounds } from './world.js';

/** One preemption less than that, unless PBKFS_STORM=long asks for all: each one more takes some five times as long. */
export function asFarAs(bounds: Bounds & { readonly preemptions: number }): Bounds {
  const { preemptions } = bounds;
  return process.env.PBKFS_STORM === 'long' ? bounds : { ...bounds, preemptions: Math.max(1, preemptions - 1) };
}
