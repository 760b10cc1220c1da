// How a failed command speaks: `pbkfs: message`, `hint: …`, an exit status; and how one warns.

import { CommanderError } from 'commander';
import { PbkfsError } from '../errors.js';
import { toWire, type WireError } from '../mount/wire-error.js';

const EXIT_USAGE = 2;

export const EXIT_STATUSES = `
Exit status:
  0  done; for mount: mounted and ready for use
  1  it did not work; the reason stands on stderr, and nothing was changed unless it says so;
     for validate, fsck and drill also: damage was found
  2  wrong options or arguments`;

/** Prints a warning on stderr. */
export function warn(text: string): void {
  process.stderr.write(`pbkfs: warning: ${text}\n`);
}

/**
 * Prints a failure on stderr.
 * @param json one JSON object `{"error": {code, message, hint?}}` instead of text
 * @returns the exit status
 */
export function reportFailure(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return reportUsage(error, json);
  report(toWire(error), json);
  return error instanceof PbkfsError ? error.exitStatus : 1;
}

/** Commander has printed text of its own, help included, but not where JSON is wanted. */
function reportUsage(error: CommanderError, json: boolean): number {
  if (error.exitCode === 0) return 0;
  if (json) report({ code: 'usage', message: error.message.replace(/^error: /, '') }, json);
  return EXIT_USAGE;
}

function report(error: WireError, json: boolean): void {
  if (json) process.stderr.write(`${JSON.stringify({ error })}\n`);
  else process.stderr.write(`pbkfs: ${error.message}\n${error.hint === undefined ? '' : `hint: ${error.hint}\n`}`);
}
