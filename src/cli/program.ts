// The program that commands are added to: how it speaks, and how it ends.

import { Command } from 'commander';
import { packageVersion } from '../version.js';
import { endWithOutput } from './closed-pipe.js';
import { EXIT_STATUSES, reportFailure } from './report.js';

const wantsJson = (): boolean => process.argv.includes('--json');

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
    .addHelpText('afterAll', EXIT_STATUSES)
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
