// pbkfs exporter

import type { Command } from 'commander';
import { directory, listenAddress } from './options.js';

interface ExporterOptions {
  readonly backupPath?: string;
  readonly listen: string;
}

const HELP = `
Serves /metrics, /healthz and a page for people until it is stopped. It has the metrics of all mounts of this host that
its user may read (root: all), whatever their own --metrics-listen says, and of a catalog: number, size, status and age
of its backups by instance and mode. A mount that is dead or hangs is reported as pbkfs_mount_up 0, a catalog that goes
away as pbkfs_catalog_up 0; one that is not there at the start is an error. Without a port in ADDRESS it is 9778, or a
free one where that is taken; without a host it is the loopback interface.

Examples:
  pbkfs exporter -B /backup
  pbkfs exporter -B /backup --listen 0.0.0.0:9778`;

export function addExporterCommand(program: Command): void {
  program
    .command('exporter')
    .summary('serve metrics of all mounts and of a catalog')
    .description('Serves the metrics of all mounts of this host, and of a catalog, to Prometheus.')
    .option('-B, --backup-path <catalog>', 'the pg_probackup catalog; without it only mounts are reported', directory)
    .option('--listen <address>', 'HOST:PORT, HOST, PORT or unix:PATH', listenAddress, '127.0.0.1')
    .addHelpText('after', HELP)
    .action(async ({ backupPath, listen }: ExporterOptions) => {
      process.chdir('/');
      const { startExporter } = await import('../mount/exporter/exporter.js');
      const endpoint = await startExporter({ catalog: backupPath, listen });
      process.stdout.write(`serving metrics on ${endpoint.address}\n`);
      // The endpoint keeps no process alive.
      const alive = setInterval(() => undefined, 2 ** 30);
      await new Promise<void>((resolve) => {
        process.once('SIGTERM', () => resolve()).once('SIGINT', () => resolve());
      });
      clearInterval(alive);
      endpoint.close();
    });
}
