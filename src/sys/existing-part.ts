// How much of a path is there already.

import { existsSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';

/** The deepest part of an absolute path that exists, links followed, and what is missing. */
export function existingPart(path: string): { there: string; rest: string } {
  let at = path;
  while (!existsSync(at)) at = dirname(at);
  return { there: realpathSync(at), rest: path.slice(at === '/' ? 1 : at.length + 1) };
}
