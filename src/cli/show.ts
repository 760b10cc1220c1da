// pbkfs show

import type { Command } from 'commander';
import { type Catalog, findBackup, openCatalog, resolveChain } from '../backup/index.js';
import { PbkfsError } from '../errors.js';
import { catalogOption } from './options.js';
import { describeOne, renderBackup } from './show-backup.js';
import { describeBackup, describeInstance, type ShownInstance } from './show-data.js';
import { renderInstances } from './show-table.js';

interface ShowOptions {
  readonly backupPath: string;
  readonly instance?: string;
  readonly backupId?: string;
  readonly json?: true;
}

const HELP = `
Increments stand under the backup they are built on. MOUNTABLE is judged by the control files of the whole chain. With -i
it tells all about one backup, and which times and LSNs it can be recovered to with the WAL that there is, of which it
reads the last segments only ("pbkfs drill --recovery-target latest" replays all of it).

Examples:
  pbkfs show -B /backup
  pbkfs show -B /backup -I main -i latest
  pbkfs show -B /backup -I main --json`;

export function addShowCommand(program: Command): void {
  program
    .command('show')
    .summary('list the backups of a catalog')
    .description('Lists the instances and backups of a catalog, and whether each can be mounted or why not.')
    .addOption(catalogOption())
    .option('-I, --instance <name>', 'only this instance')
    .option('-i, --backup-id <id>', 'only this backup; "latest" for the newest one that can be mounted')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action((options: ShowOptions) => {
      const catalog = openCatalog(options.backupPath);
      process.stdout.write(options.backupId === undefined ? showAll(catalog, options) : showOne(catalog, options));
    });
}

function showAll(catalog: Catalog, { instance, json }: ShowOptions): string {
  const names = instance === undefined ? catalog.instances() : [instance];
  const instances = names.map((name) => describeInstance(catalog, name));
  return json ? document(catalog, instances) : renderInstances(instances);
}

function showOne(catalog: Catalog, { instance, backupId = 'latest', json }: ShowOptions): string {
  if (instance === undefined) throw new PbkfsError('usage', '-i needs -I, the instance of the backup');
  const latest = backupId.toLowerCase() === 'latest';
  const id = latest ? resolveChain(catalog, instance, backupId).target.id : backupId;
  const backups = catalog.backups(instance);
  const backup = findBackup(backups, instance, id);
  const shown = describeBackup(backups, instance, backup);
  if (!json) return renderBackup(catalog, instance, backup, shown);
  const { systemIdentifier = null } = catalog.config(instance);
  return document(catalog, [{ instance, systemIdentifier, backups: [describeOne(catalog, instance, backup, shown)] }]);
}

function document(catalog: Catalog, instances: readonly ShownInstance[]): string {
  return `${JSON.stringify({ catalog: catalog.path, instances }, undefined, 2)}\n`;
}
