// Waiting for something that another process or thread does.

import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for something; how long that took, in ms. @throws after `limit` ms */
export async function until(condition: () => boolean | Promise<boolean>, limit = 10_000): Promise<number> {
  const begun = Date.now();
  while (!(await condition())) {
    if (Date.now() - begun > limit) throw new Error(`it did not happen within ${limit} ms: ${condition}`);
    await sleep(5);
  }
  return Date.now() - begun;
}
