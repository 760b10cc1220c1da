// Errors on their way from the mount process to the terminal: plain data, and back.

import { type ErrorCode, PbkfsError } from '../errors.js';
import { isFull, MAKE_ROOM } from '../overlay/diff/storage-trouble.js';

export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

/** Any thrown value as data; what is not catalogued becomes `internal`, with its stack for the report of a fault. */
export function toWire(error: unknown): WireError {
  if (error instanceof PbkfsError) {
    const { code, message, hint } = error;
    return hint === undefined ? { code, message } : { code, message, hint };
  }
  if (!(error instanceof Error)) return { code: 'internal', message: String(error) };
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if ((code === 'EACCES' || code === 'EPERM') && path !== undefined) {
    return {
      code: 'no_permission',
      message: `no permission for ${path} (${syscall}, as user ${process.geteuid?.()})`,
      hint: 'a catalog must be readable and a diff writable for whoever runs pbkfs: do it as their owner, or as root',
    };
  }
  if (isFull(error)) {
    return { code: 'internal', message: error.message, hint: MAKE_ROOM };
  }
  if (code === 'EROFS') {
    return {
      code: 'internal',
      message: error.message,
      hint: 'make that file system writable (mount -o remount,rw; the kernel log says why it is not), or copy the diff to another one and use the copy',
    };
  }
  // A system error explains itself; anything else is a fault of ours, and needs the place where it happened.
  const system = (error as NodeJS.ErrnoException).syscall !== undefined;
  return { code: 'internal', message: system ? error.message : (error.stack ?? error.message) };
}

export function fromWire({ code, message, hint }: WireError): PbkfsError {
  return new PbkfsError(code, message, hint === undefined ? {} : { hint });
}
