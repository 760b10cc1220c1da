// What a server says when this host lacks something the backup needs, and the way round.

import { PbkfsError } from '../errors.js';

interface Trouble {
  readonly sign: RegExp;
  readonly what: (match: RegExpExecArray, major: number) => string;
  readonly hint: (match: RegExpExecArray, major: number) => string;
}

const TROUBLES: readonly Trouble[] = [
  {
    sign: /shutdown at recovery target/,
    what: () => 'the server has reached its recovery target and shut down there, as recovery_target_action asks',
    hint: () => 'for one that runs, mount the backup with --recovery-target-action pause or promote',
  },
  {
    sign: /could not access directory "([^"]+)": Permission denied/,
    what: (match) => `the user that the server runs as cannot reach ${match[1]}`,
    hint: () => 'let that user enter the directories above it, or give another place (--work-dir, -D)',
  },
  {
    sign: /data directory "([^"]+)" has wrong ownership|could not open file "([^"]+)\/PG_VERSION": Permission denied/,
    what: (match) => `${match[1] ?? match[2]} does not belong to the user that the server runs as`,
    hint: (match) =>
      `chown -R that user ${match[1] ?? match[2]}; a new mount has the owner of its mount point, or what --uid and --gid say`,
  },
  {
    sign: /initialized with LC_(?:COLLATE|CTYPE) "([^"]+)",\s+which is not recognized by setlocale|invalid (?:value for parameter "lc_\w+"|locale name)[^"]*"([^"]+)"/,
    what: (match) => `this host lacks the locale ${match[1] ?? match[2]} of the database`,
    hint: (match) => {
      const locale = match[1] ?? match[2] ?? '';
      return `make it: localedef -i ${locale.split('.')[0]} -f UTF-8 ${locale} (Debian: apt-get install locales)`;
    },
  },
  {
    sign: /initialized with (\w+) (\d+), but the server was compiled with \1 (\d+)/,
    what: ([, size, cluster, server]) =>
      `this server was built with ${size} ${server}, that of the backup with ${cluster}`,
    hint: () => 'name the programs of a server that was built like that one: --bin-dir',
  },
  {
    sign: /could not access file "([^"]+)": No such file or directory|could not load library "([^"]+)"/,
    what: (match) => `this host lacks the library ${match[1] ?? match[2]}`,
    hint: (match, major) => {
      const library = (match[1] ?? match[2] ?? '').replace(/^.*\//, '').replace(/\.so$/, '');
      return `install the extension for this server (Debian: apt-cache search postgresql-${major || 'N'}-${library.replaceAll('_', '-')}); other tables can be read without it`;
    },
  },
  {
    sign: /resource manager with ID (\d+) not registered/,
    what: (match) => `the WAL holds records of an extension (resource manager ${match[1]}) that is not loaded`,
    hint: () =>
      'name its library with --preload-libraries; where it is not installed, choose a target before its records',
  },
  {
    sign: /pg_dump: error: could not (?:write|close)[^\n]*: (?:No space left on device|Disk quota exceeded)|(?:COPY|the query) failed: (?:ENOSPC|EDQUOT)/,
    what: () => 'there is no room left for the output',
    hint: () => 'make room where -o leads, or give another place',
  },
  {
    sign: /No space left on device|Disk quota exceeded/,
    what: () => 'there is no room left for what the server writes',
    hint: () =>
      'give the diff more room: on its file system, by a larger --diff-limit, or in another place with --work-dir (start: -d)',
  },
  {
    sign: /role "([^"]+)" does not exist/,
    what: (match) => `the cluster has no role ${match[1]}`,
    hint: () => 'name a superuser of the cluster with -U',
  },
  {
    sign: /database "([^"]+)" does not exist/,
    what: (match) => `the cluster has no database ${match[1]}`,
    hint: () => 'name another one; "pbkfs start" lets you look which there are',
  },
  {
    sign: /no matching tables were found for pattern "(.+)"/,
    what: (match) => `the database has no table ${match[1]!.replaceAll('\\"', '"')} at that point`,
    hint: () => 'choose an earlier --time, or look with: pbkfs start',
  },
  {
    sign: /unrecognized configuration parameter "([^"]+)" in file "[^"]*postgresql\.auto\.conf"/,
    what: (match) => `this server does not know the setting ${match[1]} of the backup's postgresql.auto.conf`,
    hint: () => 'mount the backup, take the line out of postgresql.auto.conf there, and start on that mount',
  },
];

/** The same failure, named where it is one of those; anything else as it is. */
export function explainFailure(error: unknown, major: number): unknown {
  if (!(error instanceof PbkfsError)) return error;
  const cause = error.cause as { readonly detail?: string } | undefined;
  const text = `${error.message}\n${error.hint ?? ''}\n${cause?.detail ?? ''}`;
  for (const { sign, what, hint } of TROUBLES) {
    const match = sign.exec(text);
    if (match === null) continue;
    return new PbkfsError('server_failed', what(match, major), {
      hint: `${hint(match, major)}\nthe server said: ${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`,
      cause: error,
    });
  }
  return error;
}
