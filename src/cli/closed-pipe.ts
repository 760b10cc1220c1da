// What becomes of a command whose reader has gone, as in `pbkfs show | head -1`, or whose output finds no room.

import { PbkfsError } from '../errors.js';

let watched = false;

/**
 * From now on this process ends as other programs do when their output goes into a pipe that nobody reads any more: by
 * SIGPIPE, without a word. Where it cannot be written for another reason that is reported, and the process ends with what
 * `report` returns. One that has something to take away first (a mount, a server) is asked to end by SIGTERM. What cannot be
 * said on standard error is not said.
 */
export function endWithOutput(report: (error: PbkfsError) => number): void {
  if (watched) return;
  watched = true;
  let ending = false;
  const end = (error: NodeJS.ErrnoException): void => {
    if (ending) return;
    ending = true;
    const unread = error.code === 'EPIPE';
    const status = unread ? 0 : report(unwritable(error));
    // A clean end is none where the output is lost.
    process.on('exit', (code) => {
      process.exitCode = code || status;
    });
    if (process.listenerCount('SIGTERM') > 0) process.kill(process.pid, 'SIGTERM');
    else if (unread) dieOfPipe();
    else process.exit(status);
  };
  process.stdout.on('error', end);
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') end(error);
  });
}

function unwritable(cause: NodeJS.ErrnoException): PbkfsError {
  return new PbkfsError('output_failed', `cannot write to standard output: ${cause.code}`, {
    hint: 'what the command was to do may be done all the same: "pbkfs list" shows the mounts',
    cause,
  });
}

function dieOfPipe(): void {
  const ignore = (): void => undefined;
  // Node ignores the signal from its start; it counts again once a listener has come and gone.
  process.on('SIGPIPE', ignore).off('SIGPIPE', ignore);
  process.kill(process.pid, 'SIGPIPE');
}
