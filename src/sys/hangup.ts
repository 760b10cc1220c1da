// The end of the terminal that a process was started from.

import { closeSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import { ENDING_SIGNALS } from './ending-signals.js';

let outlives: boolean | undefined;

/**
 * Whether this process was started to outlive its terminal: by nohup, by a script under nohup, or by a shell with `trap '' HUP`.
 * That SIGHUP was ignored then cannot be asked: Node sets it back at its start. The rest of what nohup does can be seen, as
 * long as the process that started this one is there: what was found first stays.
 */
export function outlivesTerminal(): boolean {
  outlives ??= startedToOutlive();
  return outlives;
}

function startedToOutlive(): boolean {
  // What bash and zsh run; their children inherit it.
  if (basename(process.env._ ?? '') === 'nohup') return true;
  // In place of the terminal nohup gives a standard input that cannot be read.
  if (field('/proc/self/fdinfo/0', /^flags:\s*[0-7]*1$/m) !== undefined) return true;
  const ignored = field(`/proc/${process.ppid}/status`, /^SigIgn:\s*[0-9a-f]*([0-9a-f])$/m);
  return ignored !== undefined && (Number.parseInt(ignored, 16) & 1) === 1;
}

/** Those of {@link ENDING_SIGNALS} that end this process. */
export function heededSignals(): readonly NodeJS.Signals[] {
  return outlivesTerminal() ? ENDING_SIGNALS.filter((name) => name !== 'SIGHUP') : ENDING_SIGNALS;
}

/** To be called at the start of a program that people start. */
export function surviveHangup(): void {
  if (outlivesTerminal()) process.on('SIGHUP', () => undefined);
  letGoOfLostTerminals();
}

/**
 * To be called at the start of a program that may be started from a terminal. Node sets each of its terminals back at its
 * end, and aborts, with a core file, where one is lost.
 */
export function letGoOfLostTerminals(): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  process.on('exit', () => {
    for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
  });
}

function field(file: string, pattern: RegExp): string | undefined {
  try {
    const match = pattern.exec(readFileSync(file, 'latin1'));
    return match?.[1] ?? match?.[0];
  } catch {
    return undefined;
  }
}
