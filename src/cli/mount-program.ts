// mount as a program of its own: it starts in half the time.

import { addMountCommand } from './mount.js';
import { newProgram, runProgram } from './program.js';

const program = newProgram();
addMountCommand(program, (status) => {
  process.exitCode = status;
});
runProgram(program);
