// pbkfs show

import type { Command } from 'commander';
import { openCatalog } from '../backup/index.js';
import { catalogOption } from './options.js';
import { describeInstance } from './show-data.js';
import { renderInstances } from './show-table.js';

interface ShowOptions {
  readonly backupPath: string;
  readonly instance?: string;
  readonly json?: true;
}

const HELP = `
Increments stand under the backup they are built on. MOUNTABLE is judged by the control files of the whole chain.

Examples:
  pbkfs show -B /backup
  pbkfs show -B /backup -I main --json`;

export function addShowCommand(program: Command): void {
  program
    .command('show')
    .summary('list the backups of a catalog')
    .description('Lists the instances and backups of a catalog, and whether each can be mounted or why not.')
    .addOption(catalogOption())
    .option('-I, --instance <name>', 'only this instance')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action((options: ShowOptions) => {
      const catalog = openCatalog(options.backupPath);
      const names = options.instance === undefined ? catalog.instances() : [options.instance];
      const instances = names.map((name) => describeInstance(catalog, name));
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ catalog: catalog.path, instances }, undefined, 2)}\n`
          : renderInstances(instances),
      );
    });
}
