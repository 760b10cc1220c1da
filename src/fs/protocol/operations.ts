// Under which operation a request is counted and timed.

import { operation } from '../../metrics/counters.js';
import type { Operation } from '../../metrics/definitions.js';
import { opcode } from './constants.js';

const HIGHEST = 64;
const numbers = new Uint8Array(HIGHEST).fill(operation.other);

const together: Readonly<Record<string, Operation>> = {
  READDIRPLUS: 'readdir',
  RENAME2: 'rename',
  BATCH_FORGET: 'forget',
};

for (const [name, code] of Object.entries(opcode)) {
  const own = together[name] ?? (name.toLowerCase() as Operation);
  if (Object.hasOwn(operation, own)) numbers[code] = operation[own];
}

/** The number that Counters.answered wants for an opcode of the kernel. */
export function operationOf(code: number): number {
  return code < HIGHEST ? numbers[code]! : operation.other;
}
