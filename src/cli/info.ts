// pbkfs info

import type { Command } from 'commander';
import { displayPath, externalDirectories } from '../backup/index.js';
import { PbkfsError } from '../errors.js';
import type { BackendInfo } from '../fs/serve-types.js';
import { type BlockOrigin, type FileOrigin, type MountInfo, readInfo, readProvenance } from '../mount/index.js';
import { chosenMount, withMountArgument } from './mount-argument.js';
import { wholeNumber } from './options.js';
import { isoOfSeconds } from './show-data.js';
import { formatBytes, formatDuration, renderTable } from './text-table.js';

const HELP = `
With --file it tells how many blocks of that file come from which backup, from the diff, or are zeros; with --block which
of them supplies that block (8 KiB, counted within the file), where it is stored, and what vouches for its content.

Examples:
  pbkfs info /mnt/pg
  pbkfs info /mnt/pg --file base/5/16384 --block 7`;

interface InfoOptions {
  readonly mountpoint?: string;
  readonly file?: string;
  readonly block?: number;
  readonly json?: true;
}

export function addInfoCommand(program: Command): void {
  withMountArgument(program.command('info'))
    .summary('explain a mount, or where a file or block of it comes from')
    .description('Tells all about a mount: chain, diff, process, kernel features; or where a file or block comes from.')
    .option('--file <path>', 'a file on the mount, absolute or relative to the mount point')
    .option('--block <number>', 'a block of that file', wholeNumber(0, 2 ** 32 - 2))
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', HELP)
    .action(async (argument: string | undefined, options: InfoOptions) => {
      const { file, block, json } = options;
      const mountpoint = chosenMount(argument, options.mountpoint);
      if (block !== undefined && file === undefined) throw new PbkfsError('usage', '--block needs --file');
      if (file === undefined) {
        const info = await readInfo(mountpoint);
        print(json, shown(info), () => render(info));
        return;
      }
      const provenance = await readProvenance(mountpoint, file);
      const summary = provenance.summary();
      const origin = block === undefined ? undefined : provenance.block(block);
      print(json, { ...summary, ...(origin === undefined ? {} : { block: origin }) }, () =>
        origin === undefined ? renderFile(summary) : `${renderBlock(summary, origin)}\n`,
      );
    });
}

function print(json: true | undefined, document: object, text: () => string): void {
  process.stdout.write(json ? `${JSON.stringify(document, undefined, 2)}\n` : text());
}

function shown({ summary, status, server, members }: MountInfo): object {
  const { chain: _, ...rest } = summary;
  return {
    ...rest,
    chain:
      members?.map(({ id, mode, status, startTime, programVersion, dataBytes }) => ({
        id,
        mode: mode ?? null,
        status,
        startTime: isoOfSeconds(startTime),
        programVersion: programVersion ?? null,
        dataBytes: dataBytes ?? null,
      })) ?? null,
    externalDirectories: outside(members) ?? null,
    chainLock: status?.chainLock ?? null,
    chainState: status?.chainState ?? null,
    backend: server ?? null,
    inodes: status?.inodes ?? null,
    indexBytes: status?.indexBytes ?? null,
  };
}

/** What the backup has and the mount does not show; undefined where the catalog cannot be read. */
function outside(members: MountInfo['members']): string[] | undefined {
  const target = members?.at(-1);
  return target === undefined ? undefined : externalDirectories(target);
}

function render({ summary, status, server, members }: MountInfo): string {
  const { mountpoint, state, instance, backupId, catalog, diff, diffBytes, pid, uptimeSeconds, logFile } = summary;
  const { walDirectory } = summary;
  const unknown = 'unknown';
  // A mount of others tells no more than the table of mounts.
  const none = catalog === null ? unknown : 'none';
  const external = outside(members) ?? [];
  const rows: string[][] = [
    ['mount point', `${mountpoint} (${state})`],
    ['backup', `${backupId ?? unknown} of instance ${instance ?? unknown}`],
    ['catalog', catalog ?? unknown],
    ['chain', status === undefined ? unknown : `${status.chainState}; locks: ${status.chainLock ?? unknown}`],
    ...(external.length === 0 ? [] : [['not mounted', `external directories: ${external.join(', ')}`]]),
    ['diff', diff === null ? none : `${diff} (${formatBytes(diffBytes)})`],
    ...(walDirectory === null ? [] : [['WAL', walDirectory]]),
    ['process', pid === null ? none : `${pid}, up ${formatDuration(uptimeSeconds ?? 0)}`],
    ['log', logFile ?? none],
    ['backend', server === undefined ? unknown : `${server.backend}, FUSE protocol ${server.protocol}`],
    ['features', server?.features.join(' ') ?? unknown],
    ['read-ahead', server === undefined ? unknown : readAhead(server)],
    ...(server?.passthroughFault === undefined ? [] : [['passthrough', `none: ${server.passthroughFault}`]]),
    ...(server?.lowLatencyFault === undefined ? [] : [['low latency', `none: ${server.lowLatencyFault}`]]),
    ['servers', summary.servers.map((one) => `process ${one.pid}`).join(', ') || 'none'],
  ];
  const table = renderTable(rows);
  if (members === undefined) return table;
  const header = ['  ID', 'MODE', 'STATUS', 'STARTED (UTC)', 'STORED'];
  const chain = members.map(({ id, mode, status, startTime, dataBytes }) => [
    `  ${id}`,
    mode ?? '?',
    status,
    isoOfSeconds(startTime) ?? '?',
    formatBytes(dataBytes ?? null),
  ]);
  return `${table}${renderTable([header, ...chain])}`;
}

function readAhead({ readAhead, readAheadFault }: BackendInfo): string {
  const size = readAhead === null ? "the kernel's default" : `${readAhead} KiB`;
  return readAheadFault === undefined ? size : `${size}: ${readAheadFault}`;
}

function renderFile({ file, kind, length, blocks, sources }: FileOrigin): string {
  const what = { datafile: 'a datafile of the backup', raw: 'a file of the backup', own: 'made on the mount' }[kind];
  const lines = sources.map(({ from, backupId, blocks }) =>
    from === 'lost' ? `  ${blocks} lost: in no backup` : `  ${blocks} from ${from === 'backup' ? backupId : from}`,
  );
  return `${displayPath(file)}: ${what}, ${length} bytes, ${blocks} blocks\n${lines.map((line) => `${line}\n`).join('')}`;
}

function renderBlock({ file }: FileOrigin, origin: BlockOrigin): string {
  const { block, from, backupId, stored, offset, size, checksum, message } = origin;
  const name = `block ${block} of ${file}`;
  if (from === 'lost') return `${name}: lost: ${message}`;
  if (from === 'zeros') return `${name}: zeros, no backup of the chain holds it`;
  const where = `${stored ?? 'an object'}, ${size} bytes at offset ${offset}`;
  const state = {
    'header map': 'it has the checksum of the header map',
    page: 'it has the checksum noted in the page',
    file: 'the stored file has its listed CRC',
    none: 'nothing is noted to compare it with',
    'bad in source': 'its checksum was wrong when the backup was made',
    damaged: `damaged: ${message}`,
  }[checksum ?? 'none'];
  return `${name}: from ${from === 'diff' ? 'the diff' : `backup ${backupId}`} (${where}); ${state}`;
}
