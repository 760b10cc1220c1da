// Whether a file is open for writing anywhere, by whomever: the kernel gives read leases (fcntl(2), F_SETLEASE) only where it
// is not.

import { closeSync, constants, openSync } from 'node:fs';
import { bindCall } from './libc.js';

const F_SETSIG = 10;
const F_SETLEASE = 1024;
const F_RDLCK = 0;
/** Nobody is killed by it, unlike by SIGIO: comes when somebody opens the file just now. */
const SIGURG = 23;

/** @returns true also where that cannot be found out */
export function isOpenForWriting(path: string): boolean {
  const fcntl = bindCall('int fcntl(int fd, int command, int argument)');
  const fd = openSync(path, constants.O_RDONLY);
  try {
    // Closing the file gives the lease back.
    return fcntl(fd, F_SETSIG, SIGURG) !== 0 || fcntl(fd, F_SETLEASE, F_RDLCK) !== 0;
  } finally {
    closeSync(fd);
  }
}
