// Which stored files a file of the backup is read from: looked at by the thread that needs them first, since the storage of
// the catalog may be slow or hang, and names must not wait for it.

import { type FileSource, storedIdentities } from '../../backup/index.js';

/** What the namespace can be asked about a file of the backup, in its JSON. */
export interface DescribedFiles {
  describe(row: number, generation: number): string;
  identify(row: number, generation: number, identities: readonly number[]): string;
}

/** Where a file lies, with its stored files as they were when the first thread needed them. */
export function identified(files: DescribedFiles, row: number, generation: number): FileSource {
  const source = JSON.parse(files.describe(row, generation)) as FileSource;
  if (source.identities !== undefined) return source;
  const identities = JSON.parse(files.identify(row, generation, storedIdentities(source))) as number[];
  return { ...source, identities };
}
