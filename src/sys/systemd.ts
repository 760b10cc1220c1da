// Talking to systemd: the stream of journald through libsystemd, and readiness through $NOTIFY_SOCKET.

import { createRequire } from 'node:module';
import type koffi from 'koffi';
import { PbkfsError } from '../errors.js';
import { sendDatagram } from './sockets.js';

const LIBRARY = 'libsystemd.so.0';
const LOG_INFO = 6;

/**
 * A stream into journald; a line may begin with its priority, `<4>`.
 * @returns its descriptor
 * @throws PbkfsError mount_failed where there is no libsystemd, or no journald
 */
export function openJournal(identifier: string): number {
  const ffi = createRequire(import.meta.url)('koffi') as typeof koffi;
  let open: (identifier: string, priority: number, prefix: number) => number;
  try {
    open = ffi.load(LIBRARY).func('int sd_journal_stream_fd(const char *identifier, int priority, int level_prefix)');
  } catch (error) {
    throw new PbkfsError('mount_failed', `cannot log to journald: ${LIBRARY} is not there`, {
      hint: 'install it (Debian: apt-get install libsystemd0), or log to a file',
      cause: error,
    });
  }
  const fd = open(identifier, LOG_INFO, 1);
  if (fd >= 0) return fd;
  throw new PbkfsError('mount_failed', 'cannot log to journald: it does not answer', {
    hint: 'is systemd-journald running? Otherwise log to a file',
  });
}

/**
 * Tells the service manager a state such as `READY=1`, as sd_notify(3) does; nothing where nobody asked to be told.
 * @returns whether somebody was told
 */
export function notifyManager(state: string): boolean {
  const socket = process.env.NOTIFY_SOCKET;
  if (socket === undefined || !/^[/@]/.test(socket)) return false;
  try {
    sendDatagram(socket, state);
    return true;
  } catch {
    // The manager will find out in its own time; a mount does not fail for that.
    return false;
  }
}
