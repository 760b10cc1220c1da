#!/usr/bin/env node
// The pbkfs command: puts the commands together and turns failures into text and exit statuses.

import { Command } from 'commander';
import { packageVersion } from '../version.js';
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
import { EXIT_STATUSES, reportFailure } from './report.js';
import { addRescueCommand } from './rescue.js';
import { addShowCommand } from './show.js';
import { addStartCommand, addStopCommand } from './start.js';
import { addStatCommand } from './stat.js';
import { addSyncCommand } from './sync.js';
import { addUnmountCommand } from './unmount.js';
import { addValidateCommand } from './validate.js';
import { addVersionCommand } from './version.js';

const json = process.argv.includes('--json');

const program = new Command('pbkfs')
  .description('Mounts pg_probackup backup chains as writable PostgreSQL data directories.')
  .version(packageVersion(), '-V, --version', 'print the version')
  .helpCommand(true)
  .showHelpAfterError(json ? false : '(add --help for help)')
  .configureHelp({ showGlobalOptions: false })
  .configureOutput({ outputError: (text, write) => (json ? undefined : write(text.replace(/^error: /, 'pbkfs: '))) })
  .addHelpText('afterAll', EXIT_STATUSES)
  .exitOverride();

addMountCommand(program, (status) => {
  process.exitCode = status;
});
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

program.parseAsync().catch((error: unknown) => {
  const status = reportFailure(error, json);
  process.exitCode = process.argv[2] === 'archive-get' ? abortStatus(error) : status;
});
