// An object that the journal names and the diff has not: damage, never a missing file.

import { PbkfsError } from '../../errors.js';

/** A name of the diff whose data is gone. */
export function missingObject(objectId: string, cause: unknown): PbkfsError {
  return new PbkfsError('diff_damaged', `the diff lacks its object ${objectId}`, {
    hint: 'restore the diff from a copy, or start with a new, empty diff',
    cause,
  });
}

/**
 * Does something with an object that must be there.
 * @throws PbkfsError diff_damaged where it is missing: ENOENT would say that the file does not exist
 */
export function withObject<T>(objectId: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? missingObject(objectId, error) : error;
  }
}
