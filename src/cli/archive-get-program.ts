// archive-get as a program of its own: a restore_command must not wait for everything else to be loaded.

import { abortStatus, addArchiveGetCommand } from './archive-get.js';
import { newProgram, runProgram } from './program.js';

const program = newProgram();
addArchiveGetCommand(program, (status) => {
  process.exitCode = status;
});
runProgram(program, (_status, error) => abortStatus(error));
