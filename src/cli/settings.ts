// Where the value of an option comes from: the command line, else the environment, else a configuration file.
//
// An option --diff-limit is PBKFS_DIFF_LIMIT in the environment and `diff-limit` in the file's table [mount].

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, type Option } from 'commander';
import { parse, TomlError } from 'smol-toml';
import { PbkfsError } from '../errors.js';
import { CATALOG_VARIABLE, catalogOption } from './options.js';

/** Name of an option's environment variable. */
export function variableOf(option: Option): string {
  return `PBKFS_${nameOf(option).toUpperCase().replaceAll('-', '_')}`;
}

/** Name of an option in a configuration file: its long name. */
export function nameOf(option: Option): string {
  return option.long!.slice(2);
}

/** The table of the file that has the options. */
const TABLE = 'mount';

/** The text that --help shows of all this. */
export const SETTINGS_HELP = `
Every option may also be set by an environment variable (in brackets above) or in a TOML file that --config or
PBKFS_CONFIG names, under its long name in the table [${TABLE}]. The command line counts before the environment, and
the environment before the file. Switches are true or false there. Example of a file:

  [${TABLE}]
  backup-path = "/backup"
  diff-limit = "20GB"
  allow-other = true`;

/** Shows the variable behind each option in the help of a command. */
export function showVariables(command: Command): Command {
  return command.configureHelp({
    ...command.configureHelp(),
    optionDescription: (option) =>
      option.long === '--help' || option.hidden ? option.description : `${option.description} [${variableOf(option)}]`,
  });
}

/** Options that can be set in all these ways. */
function settableOptions(command: Command): Option[] {
  return command.options.filter((option) => !option.hidden && option.long !== '--help');
}

/** Variables that look like an option's and are none: misspelt ones, since others have no reason to be called so. */
export function strangeVariables(command: Command, environment = process.env): string[] {
  const known = new Set(settableOptions(command).map(variableOf));
  // What begins like the second is the tests' own.
  return Object.keys(environment).filter((name) => /^PBKFS_(?!TEST_)/.test(name) && !known.has(name));
}

/**
 * Completes the options that the command line gave.
 * @throws PbkfsError usage naming the variable, or file and key, whose value is wrong; a key nobody knows is an error
 */
export function completeOptions(command: Command, environment = process.env): void {
  const settable = settableOptions(command);
  const missing = (option: Option): boolean =>
    [undefined, 'default'].includes(command.getOptionValueSource(option.attributeName()));
  // Also a switch that is off counts as given: what comes later must not switch it on.
  const set = (option: Option, value: unknown, source: string): void => {
    const switched = value === false ? undefined : value;
    command.setOptionValueWithSource(option.attributeName(), option.negate ? !value : switched, source);
  };
  for (const option of settable.filter(missing)) {
    const name = variableOf(option);
    const text = environment[name];
    if (text !== undefined && text !== '') set(option, parsed(option, text, `environment variable ${name}`), 'env');
  }
  const file = command.getOptionValue('config') as string | undefined;
  if (file === undefined) return;
  const byName = new Map(settable.filter(({ long }) => long !== '--config').map((option) => [nameOf(option), option]));
  for (const [key, given] of Object.entries(readTable(file))) {
    const where = `${file}: ${key}`;
    const option = byName.get(key);
    if (option === undefined) {
      throw new PbkfsError('usage', `${where} in [${TABLE}] is no option of pbkfs mount`, {
        hint: `pbkfs mount --help shows them; a key is a long name without dashes in front`,
      });
    }
    const value = parsed(option, textOf(given, where), where, resolve(file, '..'));
    if (missing(option)) set(option, value, 'config');
  }
}

/**
 * The catalog where nothing has named it: only of a backup that is named, since a diff knows its own.
 * @throws PbkfsError usage
 */
export function catalogOfEnvironment(backupId: string | undefined, environment = process.env): string | undefined {
  const path = environment[CATALOG_VARIABLE];
  if (backupId === undefined || path === undefined || path === '') return undefined;
  return parsed(catalogOption(), path, `environment variable ${CATALOG_VARIABLE}`) as string;
}

/** @param base what relative paths count from; the working directory where it is missing */
function parsed(option: Option, text: string, where: string, base?: string): unknown {
  try {
    if (!option.required && !option.optional) return onOrOff(text);
    // A value that may be missing: on is the one that the bare flag stands for.
    if (option.optional && isSwitch(text)) {
      return onOrOff(text) ? option.parseArg!(String(option.presetArg), undefined) : undefined;
    }
    const isPath = /^<(dir|file|catalog)>$/.test(option.flags.split(' ').at(-1)!);
    const value = isPath && base !== undefined && text !== '' && !/^[/~]/.test(text) ? resolve(base, text) : text;
    return option.parseArg === undefined ? value : option.parseArg(value, undefined);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new PbkfsError('usage', `${where} = '${text}' is invalid. ${error.message}`);
  }
}

/** Words only: 1 and 0 may be values. */
function isSwitch(text: string): boolean {
  return /^(true|yes|on|false|no|off)$/i.test(text);
}

function onOrOff(text: string): boolean {
  if (['true', '1', 'yes', 'on'].includes(text.toLowerCase())) return true;
  if (['false', '0', 'no', 'off'].includes(text.toLowerCase())) return false;
  throw new InvalidArgumentError('It must be true or false.');
}

function textOf(value: unknown, where: string): string {
  if (typeof value === 'string' || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  throw new PbkfsError('usage', `${where} must be a string, a number, true or false`);
}

function readTable(file: string): Readonly<Record<string, unknown>> {
  let document: Readonly<Record<string, unknown>>;
  try {
    document = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof TomlError) {
      throw new PbkfsError('usage', `${file}, line ${error.line}: ${error.message.split('\n')[0]}`, {
        hint: 'configuration files are TOML: https://toml.io',
      });
    }
    throw new PbkfsError('usage', `cannot read the configuration file: ${(error as Error).message}`, {
      hint: 'it is named by --config or by PBKFS_CONFIG',
      cause: error,
    });
  }
  for (const [key, value] of Object.entries(document)) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) continue;
    throw new PbkfsError('usage', `${file}: ${key} stands outside of every table`, {
      hint: `options of pbkfs mount belong under a line [${TABLE}]`,
    });
  }
  return (document[TABLE] ?? {}) as Readonly<Record<string, unknown>>;
}
