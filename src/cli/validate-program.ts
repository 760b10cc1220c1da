// validate as a program of its own: it starts in half the time.

import { newProgram, runProgram } from './program.js';
import { addValidateCommand } from './validate.js';

const program = newProgram();
addValidateCommand(program, (status) => {
  process.exitCode = status;
});
runProgram(program);
