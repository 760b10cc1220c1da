// Completion for shells, made from the same definitions as the help texts. The scripts are static: no TAB starts Node.

import { type Command, InvalidArgumentError, type Option } from 'commander';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

const HELP = `
Examples:
  pbkfs completion bash > /etc/bash_completion.d/pbkfs
  pbkfs completion zsh > "\${fpath[1]}/_pbkfs"
  pbkfs completion fish > ~/.config/fish/completions/pbkfs.fish`;

export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .summary('print a script that completes pbkfs commands in a shell')
    .description('Prints a script for bash, zsh or fish that completes commands, options and paths.')
    .argument('<shell>', shells.join(', '), parseShell)
    .addHelpText('after', HELP)
    .action((shell: Shell) => void process.stdout.write(completionScript(program, shell)));
}

function parseShell(value: string): Shell {
  const shell = shells.find((name) => name === value);
  if (shell === undefined) throw new InvalidArgumentError(`It must be one of ${shells.join(', ')}.`);
  return shell;
}

/** The script that completes the commands of `program`. */
function completionScript(program: Command, shell: Shell): string {
  const commands = program
    .createHelp()
    .visibleCommands(program)
    .map((command) => ({ command, options: command.createHelp().visibleOptions(command) }));
  return { bash, zsh, fish }[shell](program.name(), commands);
}

interface Completed {
  readonly command: Command;
  readonly options: readonly Option[];
}

const flags = (option: Option): string[] => [option.short, option.long].filter((flag) => flag !== undefined);
const takesValue = (option: Option): boolean => option.required || option.optional;
const names = (command: Command): string[] => [command.name(), ...command.aliases()];

function bash(program: string, commands: readonly Completed[]): string {
  const cases = commands.map(({ command, options }) => {
    const all = options.flatMap(flags).join(' ');
    const valued = options.filter(takesValue).flatMap(flags).join('|');
    const value =
      valued === '' ? '' : `\n      case $before in ${valued}) COMPREPLY=(); compopt -o default; return ;; esac`;
    return `    ${names(command).join('|')})${value}\n      options='${all}' ;;`;
  });
  return `# bash completion for ${program}
_${program}() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} options=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${commands.flatMap(({ command }) => names(command)).join(' ')} --help --version' -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=(); compopt -o default ;;
  esac
}
complete -F _${program} ${program}
`;
}

function zsh(program: string, commands: readonly Completed[]): string {
  const text = (value: string): string => value.replace(/[[\]:\\]/g, '\\$&').replace(/'/g, "'\\''");
  const list = commands.map(
    ({ command }) => `    '${command.name()}:${text(command.summary() || command.description())}'`,
  );
  const cases = commands.map(({ command, options }) => {
    const lines = options.flatMap((option) =>
      flags(option).map((flag) => `'${flag}[${text(option.description)}]${takesValue(option) ? ':value:_files' : ''}'`),
    );
    return `    ${names(command).join('|')}) _arguments ${lines.join(' ')} '*:file:_files' ;;`;
  });
  return `#compdef ${program}
_${program}() {
  local -a commands=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = _${program} ]; then _${program} "$@"; else compdef _${program} ${program}; fi
`;
}

function fish(program: string, commands: readonly Completed[]): string {
  const text = (value: string): string => `'${value.replace(/[\\']/g, '\\$&')}'`;
  const lines = [`# fish completion for ${program}`];
  for (const { command, options } of commands) {
    const summary = text(command.summary() || command.description());
    lines.push(`complete -c ${program} -f -n __fish_use_subcommand -a ${command.name()} -d ${summary}`);
    for (const option of options) {
      const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`;
      const long = option.long === undefined ? '' : ` -l ${option.long.slice(2)}`;
      const seen = `'__fish_seen_subcommand_from ${names(command).join(' ')}'`;
      const value = takesValue(option) ? ' -r -F' : '';
      lines.push(`complete -c ${program} -n ${seen}${short}${long}${value} -d ${text(option.description)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
