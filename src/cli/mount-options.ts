// The options of pbkfs mount: one table, from which the command line, the environment, the configuration file, the help
// and the tests are made.

import type { Option } from 'commander';
import { backends } from '../fs/serve-types.js';
import { logLevels } from '../log.js';
import { LOOPBACK } from '../metrics/listen-address.js';
import {
  cacheSize,
  catalogOptionOfMounts,
  diffSize,
  directory,
  fsname,
  listenAddress,
  oneOf,
  option,
  prefetchOption,
  wholeNumber,
} from './options.js';
import { recoveryOptions } from './recovery-options.js';

const MAX_ID = 2 ** 32 - 2;
const MAX_TIMEOUT = 24 * 60 * 60;
const MAX_READ_AHEAD = 65536;

export function mountOptions(): Option[] {
  return [
    catalogOptionOfMounts(),
    option('-I, --instance <name>', 'instance in the catalog'),
    option('-i, --backup-id <id>', 'backup id, or "latest" for the newest one that can be mounted'),
    option('-D, --mountpoint <dir>', 'an empty directory', directory),
    option('-d, --diff <dir>', 'where writes go: an empty or new directory, or one mounted before', directory),
    option(
      '--diff-limit <size>',
      'let DIFF grow to this size, such as 20GB; a warning is logged at 80 %, at the limit what needs space is ENOSPC',
      diffSize,
    ),
    option('--read-only', 'mount without a diff: nothing can be changed, every attempt is EROFS'),
    option('--allow-other', 'let other users in, as modes permit (default: if this user may; root always may)'),
    option('--console', 'stay in the foreground and log to the terminal; Ctrl-C unmounts'),
    option('--wait', 'return when the mount can be used: what mount does anyway, for scripts that ask for it'),
    option(
      '--timeout <seconds>',
      'give up when the mount cannot be used after so many seconds (default: wait for as long as it takes)',
      wholeNumber(1, MAX_TIMEOUT),
    ),
    option('--uid <number>', 'owner of all files', wholeNumber(0, MAX_ID)),
    option('--gid <number>', 'group of all files', wholeNumber(0, MAX_ID)),
    option(
      '--fsname <name>',
      'source of the mount, as df shows it (default: pbkfs:INSTANCE/BACKUP; of a line of /etc/fstab its first field)',
      fsname,
    ),
    option(
      '--backend <backend>',
      'what carries requests: kernel (the default), or the library fuse-native, which can do less; see docs/backends.md',
      oneOf(...backends),
    ),
    option(
      '--threads <number>',
      'threads that answer reads and writes from the start (default: 4); while all wait for a disk there are more, up to 24',
      wholeNumber(1, 16),
    ),
    option(
      '--cache-size <memory>',
      'memory for indexes of the files that are read, 10 bytes for each 8 KiB of a file (default: 256MB)',
      cacheSize,
    ),
    option(
      '--read-ahead <kib>',
      'how far the kernel reads ahead in a file read from front to back (default: 4096; only root can set it)',
      wholeNumber(0, MAX_READ_AHEAD),
    ),
    option(
      '--verify <how>',
      'how blocks of the backup are checked before they are served: checksum (the default), structure, off',
      oneOf('checksum', 'structure', 'off'),
    ),
    option('--perf-unsafe', 'let fsync do nothing until the unmount: fast, and DIFF is lost with the host’s power'),
    option(
      '--passthrough',
      'let the kernel read and write files made on the mount by itself: fast for bulk writes; needs root and Linux 6.9',
    ),
    option(
      '--wal-dir <dir>',
      'let pg_wal lie in this new or empty directory; DIFF remembers it and needs it',
      directory,
    ),
    option(
      '--low-latency',
      'keep this machine’s processors from sleeping while the mount is busy: fast commits and writes; needs root',
    ),
    option('--no-wal', 'keep no WAL: its fsync does nothing, the unmount drops it, and DIFF cannot be mounted again'),
    prefetchOption(),
    option(
      '--no-list-cache',
      'keep and use no digest of long lists of files in the cache directory ($XDG_CACHE_HOME/pbkfs)',
    ),
    option(
      '--force',
      'mount backups in state CORRUPT or ORPHAN, and a DIFF that --perf-unsafe left unsynced or that was copied while mounted',
    ),
    option('--stop-server', 'first stop a PostgreSQL server that has outlived a dead mount on MOUNTPOINT'),
    option('--after-power-loss', 'trust only what was synced: the file system of DIFF lost its cache without a reboot'),
    option(
      '--log-file <file>',
      'log of the background process (default: DIFF/pbkfs.log; of --read-only one that "pbkfs info" names)',
      directory,
    ),
    option(
      '--metrics-listen [address]',
      'serve metrics on HOST:PORT, HOST (port 9779, or a free one where that is taken), PORT or unix:PATH; without an address on 127.0.0.1',
      listenAddress,
    ).preset(LOOPBACK),
    option(
      '--log-activity <interval>',
      'seconds between the lines in the log that say what was done; 0: none (default: 900)',
      wholeNumber(0, 7 * MAX_TIMEOUT),
    ),
    option(
      '--log-level <level>',
      'least important lines to log: debug, info (the default), warn, error',
      oneOf(...logLevels),
    ),
    option(
      '--log-format <format>',
      'lines as text (the default) for people, or json for machines',
      oneOf('text', 'json'),
    ),
    option('--log-sink <sink>', 'log to a file (the default) or to journald', oneOf('file', 'journald')),
    option('--pid-file <file>', 'write the process id of the mount here; removed when it ends', directory),
    option('--materialize-on-read', 'copy into DIFF what is read, block by block (for debugging)'),
    option('--no-recovery-config', 'write no recovery settings (an ARCHIVE backup gets some at its first mount)'),
    ...recoveryOptions(),
    option('--config <file>', 'read options from this TOML file', directory),
  ];
}
