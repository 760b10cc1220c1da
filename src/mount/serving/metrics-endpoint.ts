// `mount --metrics-listen`: the mount's metrics over HTTP, from the control thread.

import type { MountReport } from '../../fs/serve-types.js';
import { type Endpoint, openEndpoint } from '../../metrics/http-endpoint.js';
import { parseListenAddress } from '../../metrics/listen-address.js';

/** Port of a mount whose address names none. */
const MOUNT_PORT = 9779;

export class MetricsEndpoint {
  readonly #endpoint: Endpoint;
  readonly #served: { report: MountReport | undefined };

  private constructor(endpoint: Endpoint, served: { report: MountReport | undefined }) {
    this.#endpoint = endpoint;
    this.#served = served;
  }

  /** Listens before there is a mount, so that an address that cannot be had refuses it. @throws PbkfsError listen_failed */
  static async open(address: string, mountpoint: string): Promise<MetricsEndpoint> {
    const served: { report: MountReport | undefined } = { report: undefined };
    const endpoint = await openEndpoint(parseListenAddress(address), MOUNT_PORT, {
      metrics: async () => {
        if (served.report === undefined) throw new Error('not mounted yet');
        return served.report.metrics();
      },
      problems: async () => served.report?.problems() ?? ['not mounted yet'],
      about: async () => rows(mountpoint, (await served.report?.status()) ?? {}),
    });
    return new MetricsEndpoint(endpoint, served);
  }

  /** `http://HOST:PORT`, or `unix:PATH`. */
  get address(): string {
    return this.#endpoint.address;
  }

  /** From now on the mount is there. */
  serve(report: MountReport): void {
    this.#served.report = report;
  }

  close(): void {
    this.#endpoint.close();
  }
}

/** What people want to see first, by its names in `.pbkfs/status.json`, which has the rest. */
const SHOWN = ['version', 'catalog', 'instance', 'backupId', 'diff', 'startedAt', 'pid', 'chainState'];

function rows(mountpoint: string, status: object): [string, string][] {
  const known = status as Readonly<Record<string, unknown>>;
  const shown = SHOWN.filter((name) => known[name] !== undefined && known[name] !== null);
  return [['mount point', mountpoint], ...shown.map((name): [string, string] => [name, String(known[name])])];
}
