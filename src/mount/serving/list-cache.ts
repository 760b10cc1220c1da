// Where digests of content lists lie: the user's cache directory, which anybody may empty at any time.

import { isAbsolute, join } from 'node:path';
import { homeDirectory } from '../../sys/home-directory.js';
import type { MountRequest } from '../request.js';

/** The directory as an option of a mount; nothing where there is to be none, or no place for it. */
export function listCacheOf({ noListCache }: Pick<MountRequest, 'noListCache'>): { listCache?: string } {
  const directory = noListCache ? undefined : cacheDirectory();
  return directory === undefined ? {} : { listCache: directory };
}

/** By the XDG base directory specification; root's cache is that of the system. */
function cacheDirectory(): string | undefined {
  const { XDG_CACHE_HOME: cache } = process.env;
  if (cache !== undefined && isAbsolute(cache)) return join(cache, 'pbkfs');
  if (process.geteuid?.() === 0) return '/var/cache/pbkfs';
  const home = homeDirectory();
  return home && join(home, '.cache', 'pbkfs');
}
