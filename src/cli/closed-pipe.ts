// What becomes of a command whose reader has gone, as in `pbkfs show | head -1`.

let watched = false;

/**
 * From now on this process ends as other programs do when their output goes into a pipe that nobody reads any more: by
 * SIGPIPE, without a word. One that has something to take away first (a mount, a server) is asked to by SIGTERM.
 */
export function endOnClosedPipe(): void {
  if (watched) return;
  watched = true;
  let ending = false;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (ending) return;
      ending = true;
      if (process.listenerCount('SIGTERM') > 0) process.kill(process.pid, 'SIGTERM');
      else dieOfPipe();
    });
  }
}

function dieOfPipe(): void {
  const ignore = (): void => undefined;
  // Node ignores the signal from its start; it counts again once a listener has come and gone.
  process.on('SIGPIPE', ignore).off('SIGPIPE', ignore);
  process.kill(process.pid, 'SIGPIPE');
}
