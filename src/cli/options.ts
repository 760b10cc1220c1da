// Values of options: parsed, checked, and refused with exit status 2.

import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { parseListenAddress } from '../metrics/listen-address.js';

/** Absolute, since the mount process does not live in the caller's directory. */
export function directory(value: string): string {
  if (value === '') throw new InvalidArgumentError('It must not be empty.');
  if (/^~[^/]*($|\/)/.test(value)) {
    throw new InvalidArgumentError(
      'Nobody has replaced the ~: a shell does so only where it stands unquoted at the beginning.',
    );
  }
  const path = absolute(value);
  // Node has put that in the place of bytes it could not read, of the argument or of the working directory.
  if (path.includes('\ufffd')) {
    throw new InvalidArgumentError(
      'It must be UTF-8: give it such a name, or bind-mount it (mount --bind) on a directory that has one.',
    );
  }
  return path;
}

function absolute(path: string): string {
  try {
    return resolve(path);
  } catch {
    throw new InvalidArgumentError('The working directory has been removed: give an absolute path.');
  }
}

/** Where to listen; a relative path after `unix:` is made absolute. */
export function listenAddress(value: string): string {
  const path = value.startsWith('unix:') ? value.slice('unix:'.length) : '';
  const address = path === '' ? value : `unix:${absolute(path)}`;
  try {
    parseListenAddress(address);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return address;
}

/** What a kernel takes as a mount's source: mount(2) reads one page, of which fusermount's options take some. */
const MAX_SOURCE_BYTES = 2048;

/** What the kernel is to call a mount. */
export function fsname(value: string): string {
  const bytes = Buffer.byteLength(value);
  if (bytes > 0 && bytes <= MAX_SOURCE_BYTES && !/\p{Cc}|\ufffd/u.test(value)) return value;
  throw new InvalidArgumentError(`It must be 1 to ${MAX_SOURCE_BYTES} bytes of UTF-8 without control characters.`);
}

/** A parser for whole numbers of a range. */
export function wholeNumber(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return number;
  };
}

/** A parser for a word out of a few. */
export function oneOf<T extends string>(...words: readonly T[]): (value: string) => T {
  return (value) => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw new InvalidArgumentError(`It must be one of ${words.join(', ')}.`);
    return found;
  };
}

/** Bytes of each unit of a size, without regard to case: powers of 1024, as in postgresql.conf. */
const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** A parser for sizes such as `500MB`, `20GiB`, `1.5T` or a number of bytes. @param min bytes */
function byteSize(min: number, max: number, example: string): (value: string) => number {
  return (value) => {
    const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([bkmgt]?)(?:(?<=[kmgt])(?:i?b)?)?$/i.exec(value) ?? [];
    const bytes = digits === undefined ? Number.NaN : Math.floor(Number(digits) * UNITS[unit!.toLowerCase()]!);
    if (!(bytes >= min && bytes <= max)) {
      throw new InvalidArgumentError(
        `It must be a size from ${sizeText(min)} to ${sizeText(max)}, such as ${example}.`,
      );
    }
    return bytes;
  };
}

/** What --diff-limit takes: at most what the count of the diff's blocks can hold. */
export const diffSize = byteSize(2 ** 20, 15 * 2 ** 40, '20GB');

/** What --cache-size takes: the arena that the indexes lie in has 4 GiB, block maps included. */
export const cacheSize = byteSize(2 ** 20, 2 * 2 ** 30, '512MB');

function sizeText(bytes: number): string {
  const unit = ['T', 'G', 'M'].find((letter) => bytes >= UNITS[letter.toLowerCase()]!)!;
  return `${bytes / UNITS[unit.toLowerCase()]!}${unit}B`;
}

/** @param parse what makes a value of the text; the text itself where it is missing */
export function option(flags: string, description: string, parse?: (value: string) => unknown): Option {
  const made = new Option(flags, description);
  return parse === undefined ? made : made.argParser(parse);
}

/** pg_probackup's own variable for what its -B names. */
export const CATALOG_VARIABLE = 'BACKUP_PATH';

/** -B of a command that cannot do without a catalog. */
export function catalogOption(): Option {
  return option('-B, --backup-path <catalog>', 'the pg_probackup catalog', directory)
    .env(CATALOG_VARIABLE)
    .makeOptionMandatory();
}

/** -B of a command that may be about a mount or a diff that knows its catalog; see catalogOfEnvironment. */
export function catalogOptionOfMounts(): Option {
  const description = `the pg_probackup catalog (default: ${CATALOG_VARIABLE} of the environment, where -i is given)`;
  return option('-B, --backup-path <catalog>', description, directory);
}

/** --stop-timeout of every command that ends a mount; its value is in seconds. */
export function stopTimeoutOption(seconds: number): Option {
  const what = 'how long to wait for users, for the server, and for the mount process to end';
  return option('--stop-timeout <seconds>', what, wholeNumber(0, 86_400)).default(seconds);
}

/** --prefetch of every command that mounts. */
export function prefetchOption(): Option {
  return option('--prefetch <data>', 'read ahead in the background; hot: what a first query needs', oneOf('hot'));
}
