// mount as a program of its own: it starts in half the time, and the mount process comes up meanwhile.

import type { MountProcess } from '../mount/start-process.js';
import { addMountCommand } from './mount.js';
import { newProgram, runProgram } from './program.js';

/** @param started a mount process that waits for a request */
export function mountProgram(started: MountProcess | undefined): void {
  const program = newProgram();
  const setStatus = (status: number): void => {
    process.exitCode = status;
  };
  addMountCommand(program, setStatus, undefined, started);
  runProgram(program);
}
