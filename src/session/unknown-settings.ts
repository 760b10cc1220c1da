// Settings in the backup's postgresql.auto.conf that the server of this host does not know (another build, an extension
// built in): it would not start, and nothing of what is asked here depends on them.

import { chownSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PbkfsError } from '../errors.js';

const UNKNOWN = /unrecognized configuration parameter "([^"]+)" in file "[^"]*postgresql\.auto\.conf"/g;

/**
 * Turns the lines that made a server fail into comments, in the diff; the backup keeps them.
 * @param failure of the start of a server on `dataDir`
 * @returns the names of the settings; none when it failed because of something else
 */
export function dropUnknownSettings(failure: unknown, dataDir: string): string[] {
  if (!(failure instanceof PbkfsError)) return [];
  const names = [...(failure.hint ?? '').matchAll(UNKNOWN)].map(([, name]) => name!.toLowerCase());
  if (names.length === 0) return [];
  const path = join(dataDir, 'postgresql.auto.conf');
  const { uid, gid, mode } = statSync(path);
  // Other people's lines may be in any encoding: they stay the bytes they are.
  const text = readFileSync(path, 'latin1').replace(/^\s*([\w.]+)(?=[\s=]).*$/gm, (line, name: string) =>
    names.includes(name.toLowerCase()) ? `# not known to this server: ${line}` : line,
  );
  writeFileSync(`${path}.pbkfs-part`, text, { encoding: 'latin1', mode: mode & 0o777 });
  chownSync(`${path}.pbkfs-part`, uid, gid);
  renameSync(`${path}.pbkfs-part`, path);
  return [...new Set(names)];
}
