// The program that commands are added to: how it speaks, and how it ends.

import { Command } from 'commander';
import { packageVersion } from '../version.js';
import { endWithOutput } from './closed-pipe.js';
import { EXIT_STATUSES, reportFailure } from './report.js';

const wantsJson = (): boolean => process.argv.includes('--json');

const WHAT_TO_DO = `
What is there?
    pbkfs show -B /backup
Rows were changed or deleted, a table or a database was dropped: as it was at a time, written to a dump
    pbkfs rescue -B /backup -I main --time '2026-11-21 02:12:00+00' --table app.public.orders -o orders.dump
Look around in a backup with psql, and throw it away
    pbkfs start -B /backup -I main -i latest --ephemeral
Can the last backup be recovered?
    pbkfs drill -B /backup -I main --amcheck --checksums
"pbkfs COMMAND --help" has all options and examples. None of these commands changes the catalog or the server it comes from.`;

/** The command whose exit statuses are PostgreSQL's; its own help tells them. */
const OTHER_STATUSES = 'archive-get';

/** A program without commands. */
export function newProgram(): Command {
  const json = wantsJson();
  return new Command('pbkfs')
    .description('Mounts pg_probackup backup chains as writable PostgreSQL data directories.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpCommand(true)
    .showHelpAfterError(json ? false : '(add --help for help)')
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({ outputError: (text, write) => (json ? undefined : write(text.replace(/^error: /, 'pbkfs: '))) })
    .addHelpText('after', WHAT_TO_DO)
    .addHelpText('afterAll', ({ command }) => (command.name() === OTHER_STATUSES ? '' : EXIT_STATUSES))
    .exitOverride();
}

/**
 * Runs the command that the arguments of this process name.
 * @param statusOf may choose another exit status for a failure
 */
export function runProgram(program: Command, statusOf = (status: number, _error: unknown): number => status): void {
  const report = (error: unknown): number => statusOf(reportFailure(error, wantsJson()), error);
  endWithOutput(report);
  program.parseAsync().catch((error: unknown) => {
    process.exitCode = report(error);
  });
}
