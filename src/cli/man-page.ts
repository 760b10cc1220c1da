// The manual page, made from the same definitions as the help texts.

import type { Command } from 'commander';
import { packageVersion } from '../version.js';
import { EXIT_STATUSES } from './report.js';

export function addManCommand(program: Command): void {
  program
    .command('man', { hidden: true })
    .description('Prints the manual page (man -l -).')
    .action(() => void process.stdout.write(manPage(program)));
}

/** The page in the man(7) macros of roff. */
function manPage(program: Command): string {
  const name = program.name();
  const lines = [
    `.TH ${name.toUpperCase()} 1 "" "${name} ${packageVersion()}" "User Commands"`,
    '.SH NAME',
    `${name} \\- mounts a pg_probackup backup chain as a writable PostgreSQL data directory`,
    '.SH SYNOPSIS',
    `.B ${name}`,
    '.I command',
    '[\\fIoptions\\fR]',
    '.SH DESCRIPTION',
    roff(program.description()),
    '.SH COMMANDS',
  ];
  for (const command of program.createHelp().visibleCommands(program)) {
    if (command.name() !== 'help') lines.push(...section(program, command));
  }
  lines.push('.SH EXIT STATUS', ...prose(EXIT_STATUSES.replace(/^\s*Exit status:\n/, '')));
  return `${lines.join('\n')}\n`;
}

function section(program: Command, command: Command): string[] {
  const lines = [`.SS ${roff(`${program.name()} ${command.name()} ${command.usage()}`)}`, roff(command.description())];
  const help = command.createHelp();
  for (const option of help.visibleOptions(command)) {
    if (option.long === '--help') continue;
    lines.push('.TP', `.B ${roff(help.optionTerm(option))}`, roff(help.optionDescription(option)));
  }
  lines.push(...prose(textAfterOptions(command)));
  return lines;
}

/** What addHelpText has added to a command. */
function textAfterOptions(command: Command): string {
  let text = '';
  const before = command.configureOutput();
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHasColors: () => false,
  });
  command.outputHelp();
  command.configureOutput(before);
  return text.replace(command.helpInformation(), '').replace(EXIT_STATUSES, '');
}

/** Blank lines part paragraphs; indented lines stay as they are. */
function prose(text: string): string[] {
  const lines: string[] = [];
  let verbatim = false;
  const setVerbatim = (now: boolean): void => {
    if (now !== verbatim) lines.push(now ? '.RS 4\n.nf' : '.fi\n.RE');
    verbatim = now;
  };
  for (const line of text.replace(/^\n+/, '').trimEnd().split('\n')) {
    setVerbatim(line.startsWith('  '));
    if (verbatim) lines.push(roff(line.slice(2)));
    else if (line === '') lines.push('.PP');
    else if (line.endsWith(':') && line.length < 40) lines.push('.PP', `.B ${roff(line)}`);
    else lines.push(roff(line));
  }
  setVerbatim(false);
  return text.trim() === '' ? [] : ['.PP', ...lines];
}

/** Text that roff takes for nothing else; it knows other letters than ASCII by their numbers. */
function roff(text: string): string {
  return text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/^(['.])/gm, '\\&$1')
    .replace(/[^\n -~]/gu, (letter) => `\\[u${letter.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`);
}
