// A line of /etc/fstab, as mount(8) hands it to its helper, in terms of `pbkfs mount`.

import { PbkfsError } from '../errors.js';
import { mountOptions } from './mount-options.js';
import { nameOf } from './settings.js';

/** Options that are about fstab, mount(8) or the kernel's defaults, and mean nothing more to a mount of pbkfs. */
const IGNORED = new Set([
  ...[
    'defaults',
    'auto',
    'noauto',
    'nofail',
    'fail',
    '_netdev',
    'rw',
    'dev',
    'nodev',
    'suid',
    'nosuid',
    'exec',
    'async',
  ],
  ...[
    'user',
    'nouser',
    'users',
    'owner',
    'group',
    'atime',
    'noatime',
    'relatime',
    'norelatime',
    'strictatime',
    'diratime',
  ],
  ...['nodiratime', 'lazytime', 'nolazytime', 'iversion', 'noiversion', 'silent', 'loud'],
]);

/** What has another name there. */
const ALIASES: Readonly<Record<string, string>> = { ro: 'read-only', allow_other: 'allow-other' };

/**
 * Arguments of pbkfs for those of mount.pbkfs. SOURCE is the catalog, `none` for a diff that knows it.
 * @returns null when nothing is to be mounted (`-f`)
 * @throws PbkfsError usage
 */
export function fstabArguments(args: readonly string[]): string[] | null {
  const plain: string[] = [];
  const options: string[] = [];
  let fake = false;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === '-o') options.push(...split(args[++at] ?? ''));
    else if (arg === '-t' || arg === '-N') at++;
    else if (/^-[sfnvrw]+$/.test(arg)) {
      fake ||= arg.includes('f');
      if (arg.includes('r')) options.push('ro');
    } else if (arg.startsWith('-')) throw new PbkfsError('usage', `unknown argument ${arg}`);
    else plain.push(arg);
  }
  const [source, directory, ...more] = plain;
  if (source === undefined || directory === undefined || more.length > 0) {
    throw new PbkfsError('usage', 'mount.pbkfs needs a source and a directory', {
      hint: 'mount(8) runs it: mount -t pbkfs -o instance=main,backup-id=latest,diff=/var/lib/pbkfs/test /backup /mnt/pg',
    });
  }
  const known = new Map(mountOptions().map((option) => [nameOf(option), option]));
  // By its source mount(8) knows a line that is mounted already: `mount -a` leaves it out.
  const result = ['mount', '-D', directory, '--fsname', source, ...(source === 'none' ? [] : ['-B', source])];
  for (const given of options) {
    const [, name, value] = /^([^=]*)(?:=(.*))?$/s.exec(given)!;
    if (IGNORED.has(name!) || /^(x-|X-|comment$)/.test(name!)) continue;
    const option = known.get(ALIASES[name!] ?? name!);
    if (option === undefined) {
      throw new PbkfsError('usage', `unknown mount option ${name}`, {
        hint: 'the long names of the options of pbkfs mount may be given, without dashes in front',
      });
    }
    if (!option.optional && option.required !== (value !== undefined)) {
      throw new PbkfsError('usage', `mount option ${name} ${option.required ? 'needs a value' : 'takes no value'}`);
    }
    result.push(option.long!, ...(value === undefined ? [] : [value]));
  }
  return fake ? null : result;
}

/** At commas, but not within double quotes. */
function split(list: string): string[] {
  return [...list.matchAll(/(?:"[^"]*"|[^,"])+/g)].map(([part]) => part.replaceAll('"', ''));
}
