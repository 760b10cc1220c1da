// The log of a mount: lines for people, written synchronously so that nothing is lost when the process dies.

import { writeSync } from 'node:fs';

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  /** Where the lines go; threads of their own open a logger on the same descriptor. */
  readonly fd: number;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/**
 * Logs to an open descriptor: `2026-11-21T08:46:36.123Z WARN message key=value`. Writing never throws: a full disk
 * must not stop a mount. Usable from threads that never return to their event loop.
 */
export function createLogger(fd: number): Logger {
  const write = (level: string, message: string, fields?: LogFields): void => {
    try {
      writeSync(fd, `${new Date().toISOString()} ${level} ${message}${format(fields)}\n`);
    } catch {
      // Nowhere left to report it.
    }
  };
  return {
    fd,
    info: (message, fields) => write('INFO', message, fields),
    warn: (message, fields) => write('WARN', message, fields),
    error: (message, fields) => write('ERROR', message, fields),
  };
}

function format(fields: LogFields | undefined): string {
  if (fields === undefined) return '';
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        ` ${key}=${typeof value === 'string' && /[\s"=]|^$/.test(value) ? JSON.stringify(value) : value}`,
    )
    .join('');
}
