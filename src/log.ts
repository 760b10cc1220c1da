// The log of a mount: pino makes the lines, which are written synchronously so that nothing is lost when the process dies.
//
// Every thread has a logger of its own on the same descriptor. A line is one write(2) to a file opened for appending: the
// kernel keeps lines whole and in the order in which they were written.

import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Logger as Pino } from 'pino';

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/** `journal` is text with the priority in front, for a stream of journald. */
export type LogFormat = 'text' | 'json' | 'journal';

/** Everything a thread needs to log; plain data. */
export interface LogSettings {
  readonly fd: number;
  readonly format: LogFormat;
  readonly level: LogLevel;
}

export interface Logger {
  /** Threads of their own open a logger with the same settings. */
  readonly settings: LogSettings;
  /** Whether debug lines are wanted at all: whoever would have to work for them asks first. */
  readonly debugs: boolean;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/**
 * Logs to an open descriptor: `2026-11-21T08:46:36.123Z WARN message key=value`, or the same as JSON. Writing never
 * throws: neither a full disk nor an upgrade that takes pino away may stop a mount. Usable from threads that never return
 * to their event loop.
 */
export function createLogger(to: number | LogSettings): Logger {
  const settings: LogSettings = typeof to === 'number' ? { fd: to, format: 'text', level: 'info' } : to;
  let put: LineWriter | undefined;
  const write = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    if (logLevels.indexOf(level) < logLevels.indexOf(settings.level)) return;
    // Loading pino takes longer than starting a thread: one that has nothing to say never does.
    put ??= lineWriter(settings);
    put(level, message, fields);
  };
  return {
    settings,
    debugs: settings.level === 'debug',
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
  };
}

const require = createRequire(import.meta.url);

/** Loads what the first line needs, for a thread that is going to write one and has time now. */
export function loadLogging(): typeof import('pino') {
  return require('pino') as typeof import('pino');
}

type LineWriter = (level: LogLevel, message: string, fields: LogFields) => void;

function lineWriter({ fd, format, level }: LogSettings): LineWriter {
  const render = { json: (line: string) => line, text, journal }[format];
  const put = (line: string): void => {
    try {
      writeSync(fd, render(line));
    } catch {
      // Nowhere left to report it.
    }
  };
  try {
    const pino = createPino(level, put);
    return (as, message, fields) => pino[as](fields, message);
  } catch {
    // The program on disk has been replaced since: the same line without it.
    return (as, message, fields) =>
      put(`${JSON.stringify({ level: as, time: new Date().toISOString(), ...fields, message })}\n`);
  }
}

function createPino(level: LogLevel, write: (line: string) => void): Pino {
  const { pino } = loadLogging();
  const options = {
    level,
    base: null,
    messageKey: 'message',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, { write });
}

type Line = { readonly level: LogLevel; readonly time: string; readonly message: string } & LogFields;

function text(line: string): string {
  const { level, time, message, ...fields } = JSON.parse(line) as Line;
  return `${time} ${level.toUpperCase()} ${message}${keysAndValues(fields)}\n`;
}

/** Priorities of sd-daemon(3). */
const priorities: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3 };

function journal(line: string): string {
  const { level, time: _, message, ...fields } = JSON.parse(line) as Line;
  const priority = `<${priorities[level]}>`;
  // Every line of a stack is an entry of its own.
  return `${priority}${`${message}${keysAndValues(fields)}`.replaceAll('\n', `\n${priority}`)}\n`;
}

function keysAndValues(fields: LogFields): string {
  return Object.entries(fields)
    .map(
      ([key, value]) =>
        ` ${key}=${typeof value === 'string' && /[\s"=]|^$/.test(value) ? JSON.stringify(value) : value}`,
    )
    .join('');
}

/**
 * Keeps lines of one kind from flooding the log: so many in ten seconds, then none until these are over. The next line
 * says how many were left out; metrics count them all.
 */
export class LineLimit {
  readonly #most: number;
  #windowEnds = 0;
  #written = 0;
  #suppressed = 0;

  constructor(most = 10) {
    this.#most = most;
  }

  /** Calls `write` if a line may be written now, with the number of those left out before it in its fields. */
  pass(write: (fields: LogFields) => void, now = performance.now()): void {
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + 10_000;
      this.#written = 0;
    }
    if (this.#written >= this.#most) {
      this.#suppressed++;
      return;
    }
    this.#written++;
    const fields = this.#suppressed === 0 ? {} : { suppressed: this.#suppressed };
    this.#suppressed = 0;
    write(fields);
  }
}
