// The catalog that a diff was last mounted from, which may have moved since.

import { type Catalog, openCatalog } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';

/**
 * @param remedy what to do if it has moved
 * @throws PbkfsError catalog_not_found
 */
export function openRemembered(path: string, remedy = 'give its new place with -B'): Catalog {
  try {
    return openCatalog(path);
  } catch (error) {
    if (!(error instanceof PbkfsError) || error.code !== 'catalog_not_found') throw error;
    throw new PbkfsError('catalog_not_found', error.message, {
      hint: `the diff was last mounted from there; if the catalog has moved, ${remedy}`,
      cause: error,
    });
  }
}
