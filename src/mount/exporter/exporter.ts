// `pbkfs exporter`: the metrics of all mounts of the host, and of a catalog, in one place.

import { renderSamples, type Sample } from '../../metrics/exposition.js';
import { type Endpoint, openEndpoint } from '../../metrics/http-endpoint.js';
import { parseListenAddress } from '../../metrics/listen-address.js';
import { packageVersion } from '../../version.js';
import { CatalogWatch } from './catalog-watch.js';
import { HostMounts, mergeScrapes } from './host-mounts.js';

/** Port of an exporter whose address names none. */
const EXPORTER_PORT = 9778;

export interface ExporterOptions {
  /** Absolute path of the catalog; undefined: only the mounts. */
  readonly catalog: string | undefined;
  /** HOST:PORT, HOST, PORT or unix:PATH. */
  readonly listen: string;
}

/**
 * Serves until it is closed. A catalog that goes away later is reported as down.
 * @throws PbkfsError listen_failed; catalog_not_found and the like when the catalog is none now
 */
export async function startExporter({ catalog, listen }: ExporterOptions): Promise<Endpoint> {
  const mounts = new HostMounts();
  const watch = catalog === undefined ? undefined : new CatalogWatch(catalog);
  await watch?.mustBeCatalog();
  return openEndpoint(parseListenAddress(listen), EXPORTER_PORT, {
    metrics: async () => {
      const [scraped, ofCatalog] = await Promise.all([mounts.scrape(), watch?.samples() ?? []]);
      const up = scraped.map(
        ({ mountpoint, text }): Sample => ({
          metric: 'pbkfs_mount_up',
          labels: { mountpoint },
          value: Number(text !== undefined),
        }),
      );
      const own = [...up, ...ofCatalog];
      return [mergeScrapes(scraped), own.length === 0 ? '' : await renderSamples(own)].filter(Boolean).join('\n');
    },
    // Mounts have a health of their own; this is the exporter's.
    problems: async () => {
      await watch?.samples();
      return watch === undefined || watch.up ? [] : [`the catalog ${catalog} cannot be read`];
    },
    about: async () => {
      const scraped = await mounts.scrape();
      return [
        ['version', packageVersion()],
        ['catalog', catalog ?? 'none'],
        ...scraped.map(({ mountpoint, text }): [string, string] => [
          `mount ${mountpoint}`,
          text === undefined ? 'does not answer' : 'up',
        ]),
      ];
    },
  });
}
