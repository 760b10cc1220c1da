// The catalogue of errors: every failure a person or the kernel can see is made here.

/** Kernel errno values used in replies (Linux, x86-64 and arm64 agree on all of these). */
export const errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EILSEQ: 84,
  EOPNOTSUPP: 95,
  /** as Node names the same number */
  ENOTSUP: 95,
  EDQUOT: 122,
  ESTALE: 116,
} as const;

export type ErrnoName = keyof typeof errno;

/**
 * Kinds of failure. The code is stable (scripts may match it in `--json` output; docs/cli.md says what each means); the errno is what the kernel
 * gets when the failure happens inside a request; exit is the CLI's exit status.
 */
const catalogue = {
  usage: { errno: 'EINVAL', exit: 2 },
  catalog_not_found: { errno: 'ENOENT', exit: 1 },
  backup_not_found: { errno: 'ENOENT', exit: 1 },
  backup_unusable: { errno: 'EIO', exit: 1 },
  backup_damaged: { errno: 'EIO', exit: 1 },
  backup_unsupported: { errno: 'EOPNOTSUPP', exit: 1 },
  chain_busy: { errno: 'EBUSY', exit: 1 },
  chain_changed: { errno: 'EIO', exit: 1 },
  page_damaged: { errno: 'EIO', exit: 1 },
  diff_damaged: { errno: 'EIO', exit: 1 },
  diff_sync_failed: { errno: 'EIO', exit: 1 },
  diff_foreign: { errno: 'EIO', exit: 1 },
  diff_not_empty: { errno: 'ENOTEMPTY', exit: 1 },
  diff_unsafe: { errno: 'EIO', exit: 1 },
  diff_not_resumable: { errno: 'EIO', exit: 1 },
  diff_busy: { errno: 'EBUSY', exit: 1 },
  diff_full: { errno: 'ENOSPC', exit: 1 },
  export_failed: { errno: 'EIO', exit: 1 },
  file_not_found: { errno: 'ENOENT', exit: 1 },
  mountpoint_unusable: { errno: 'EINVAL', exit: 1 },
  mount_failed: { errno: 'EIO', exit: 1 },
  mount_busy: { errno: 'EBUSY', exit: 1 },
  no_permission: { errno: 'EACCES', exit: 1 },
  not_mounted: { errno: 'EINVAL', exit: 1 },
  wal_directory: { errno: 'EINVAL', exit: 1 },
  wal_missing: { errno: 'ENOENT', exit: 1 },
  wal_damaged: { errno: 'EIO', exit: 1 },
  target_unreachable: { errno: 'EINVAL', exit: 1 },
  no_place: { errno: 'ENOSPC', exit: 1 },
  listen_failed: { errno: 'EIO', exit: 1 },
  server_failed: { errno: 'EIO', exit: 1 },
  output_failed: { errno: 'EIO', exit: 1 },
  no_proc: { errno: 'EIO', exit: 1 },
  no_memory: { errno: 'ENOMEM', exit: 1 },
  internal: { errno: 'EIO', exit: 1 },
} as const satisfies Record<string, { errno: ErrnoName; exit: number }>;

export type ErrorCode = keyof typeof catalogue;

/** Where a stored backup is damaged. */
export interface DamagedPlace {
  readonly backup: string;
  /** as it is shown to people */
  readonly file: string;
  readonly block?: number;
}

/** An error with everything its readers need: a code for scripts, an errno for the kernel, a hint for the person. */
export class PbkfsError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** Where it is about bytes of a backup. */
  readonly place: DamagedPlace | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string; cause?: unknown; place?: DamagedPlace } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PbkfsError';
    this.code = code;
    this.hint = options.hint;
    this.place = options.place;
  }

  get errno(): number {
    return errno[catalogue[this.code].errno];
  }

  get exitStatus(): number {
    return catalogue[this.code].exit;
  }
}

/** What the error's reader can do about it, where it says that. */
export function hintOf(error: unknown): string | undefined {
  return error instanceof PbkfsError ? error.hint : undefined;
}

/** What any thrown value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a system call on a backing file may answer that is also true of the file on the mount. */
const PASSED_ON: ReadonlySet<string> = new Set([
  'EIO',
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EFBIG',
  'ENOMEM',
  'EMFILE',
  'ENFILE',
  'EOPNOTSUPP',
  'ENOTSUP',
] satisfies ErrnoName[]);

/**
 * The errno of any thrown value: catalogued errors map, everything unknown is EIO. Errors of system calls on the
 * diff or the catalog keep theirs where it makes sense to the caller: a stored file that has vanished is EIO, since
 * the file on the mount does exist.
 */
export function errnoOf(error: unknown): number {
  if (error instanceof PbkfsError) return error.errno;
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (typeof code !== 'string' || !Object.hasOwn(errno, code)) return errno.EIO;
  if (syscall !== undefined && !PASSED_ON.has(code)) return errno.EIO;
  return errno[code as ErrnoName];
}

/** A failure that is an ordinary answer to a system call: no story to tell, just the errno. */
export class SystemError extends Error {
  readonly code: ErrnoName;

  constructor(code: ErrnoName) {
    super(code);
    this.code = code;
  }
}
