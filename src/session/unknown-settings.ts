// Settings in the backup's postgresql.auto.conf that the server of this host does not know (another build, an extension
// built in), or not with that value (a compression, an I/O method): it would not start, and nothing of what is asked here
// depends on them.

import { chownSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PbkfsError } from '../errors.js';

/** Not locales: what is printed depends on them, and they can be made. */
const REFUSED =
  /unrecognized configuration parameter "([^"]+)" in file "[^"]*postgresql\.auto\.conf"|LOG: +invalid value for parameter "(?!lc_)([^"]+)"/g;

/**
 * Turns the lines that made a server fail into comments, in the diff; the backup keeps them.
 * @param failure of the start of a server on `dataDir`
 * @returns the names of the settings; none when it failed because of something else
 */
export function dropUnknownSettings(failure: unknown, dataDir: string): string[] {
  if (!(failure instanceof PbkfsError)) return [];
  const refused = [...(failure.hint ?? '').matchAll(REFUSED)].map(([, name, valued]) =>
    (name ?? valued)!.toLowerCase(),
  );
  if (refused.length === 0) return [];
  const path = join(dataDir, 'postgresql.auto.conf');
  const { uid, gid, mode } = statSync(path);
  const dropped = new Set<string>();
  // Other people's lines may be in any encoding: they stay the bytes they are.
  const text = readFileSync(path, 'latin1').replace(/^[ \t]*([\w.]+)(?=[ \t=]).*$/gm, (line, name: string) => {
    if (!refused.includes(name.toLowerCase())) return line;
    dropped.add(name.toLowerCase());
    return `# not known to this server: ${line}`;
  });
  writeFileSync(`${path}.pbkfs-part`, text, { encoding: 'latin1', mode: mode & 0o777 });
  chownSync(`${path}.pbkfs-part`, uid, gid);
  renameSync(`${path}.pbkfs-part`, path);
  return [...dropped];
}
