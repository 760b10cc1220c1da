// archive-get as a program of its own: a restore_command must not wait for everything else to be loaded.

import { Command } from 'commander';
import { abortStatus, addArchiveGetCommand } from './archive-get.js';
import { reportFailure } from './report.js';

const program = new Command('pbkfs').exitOverride();
program.configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'pbkfs: ')) });
addArchiveGetCommand(program, (status) => {
  process.exitCode = status;
});
program.parseAsync().catch((error: unknown) => {
  reportFailure(error, false);
  process.exitCode = abortStatus(error);
});
