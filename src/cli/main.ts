#!/usr/bin/env node
// The pbkfs command: puts the commands together and turns failures into text and exit statuses.

import { runForegroundMount, serve } from '../mount/index.js';
import { abortStatus, addArchiveGetCommand } from './archive-get.js';
import { addCleanupCommand } from './cleanup.js';
import { addCompletionCommand } from './completion.js';
import { addDrillCommand } from './drill.js';
import { addExportCommand } from './export.js';
import { addExporterCommand } from './exporter.js';
import { addFsckCommand } from './fsck.js';
import { addInfoCommand } from './info.js';
import { addListCommand } from './list.js';
import { addManCommand } from './man-page.js';
import { addMountCommand } from './mount.js';
import { newProgram, runProgram } from './program.js';
import { addRescueCommand } from './rescue.js';
import { addShowCommand } from './show.js';
import { addStartCommand } from './start.js';
import { addStatCommand } from './stat.js';
import { addStopCommand } from './stop.js';
import { addSyncCommand } from './sync.js';
import { addUnmountCommand } from './unmount.js';
import { addValidateCommand } from './validate.js';
import { addVersionCommand } from './version.js';

const program = newProgram();

addMountCommand(
  program,
  (status) => {
    process.exitCode = status;
  },
  (request, onMounted, timeout) => runForegroundMount(request, serve, onMounted, timeout),
);
addUnmountCommand(program);
addListCommand(program);
addInfoCommand(program);
addStatCommand(program);
addSyncCommand(program);
addCleanupCommand(program);
addExportCommand(program);
addShowCommand(program);
addValidateCommand(program, (status) => {
  process.exitCode = status;
});
addFsckCommand(program, (status) => {
  process.exitCode = status;
});
addRescueCommand(program);
addDrillCommand(program, (status) => {
  process.exitCode = status;
});
addStartCommand(program);
addStopCommand(program);
addArchiveGetCommand(program, (status) => {
  process.exitCode = status;
});
addExporterCommand(program);
addCompletionCommand(program);
addVersionCommand(program);
addManCommand(program);

runProgram(program, (status, error) => (process.argv[2] === 'archive-get' ? abortStatus(error) : status));
