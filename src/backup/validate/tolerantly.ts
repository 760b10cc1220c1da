// Checks that leave damage to the check whose business it is.

import { PbkfsError } from '../../errors.js';

/** @returns undefined when the catalog is at fault */
export function tolerantly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof PbkfsError) return undefined;
    throw error;
  }
}
