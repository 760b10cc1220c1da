// The samples of a catalog, read again when they are old.

import { Worker } from 'node:worker_threads';
import type { Sample } from '../../metrics/exposition.js';
import { THREAD_LIMITS } from '../../sys/thread-limits.js';
import { fromWire, toWire, type WireError } from '../wire-error.js';
import { within } from '../within.js';
import type { CatalogReading } from './catalog-worker.js';

/** How long samples count as new, and how long a scrape waits for newer ones, in ms. */
const FRESH = 15_000;
const PATIENCE = 5000;

export class CatalogWatch {
  readonly #path: string;
  #samples: readonly Sample[] = [];
  /** ms since 1970 of the last reading that succeeded; 0: none did */
  #read = 0;
  /** The same by a clock that nobody sets. */
  #readAt = Number.NEGATIVE_INFINITY;
  #failed = false;
  #error: WireError | undefined;
  #reading: Promise<void> | undefined;

  /** @param path absolute */
  constructor(path: string) {
    this.#path = path;
  }

  /** Whether the last reading succeeded and none is overdue. */
  get up(): boolean {
    return this.#read !== 0 && !this.#failed;
  }

  /**
   * Reads it for the first time, but waits for no store that is slow.
   * @throws PbkfsError catalog_not_found and the like: what was given is no catalog, or may not be read
   */
  async mustBeCatalog(): Promise<void> {
    await this.samples();
    if (this.#error !== undefined) throw fromWire(this.#error);
  }

  /** What is known, and since when. Never rejects, and never waits for long. */
  async samples(): Promise<Sample[]> {
    let late = false;
    if (performance.now() - this.#readAt > FRESH) {
      // One at a time: a file system that hangs would collect threads.
      this.#reading ??= this.#readAgain().finally(() => {
        this.#reading = undefined;
      });
      late =
        (await within(
          this.#reading.then(() => true),
          PATIENCE,
        )) === undefined;
    }
    if (late) this.#failed = true;
    const labels = { catalog: this.#path };
    return [
      { metric: 'pbkfs_catalog_up', labels, value: Number(this.up) },
      ...(this.#read === 0
        ? []
        : [{ metric: 'pbkfs_catalog_read_timestamp_seconds', labels, value: this.#read / 1000 } as const]),
      ...(this.up ? this.#samples : []),
    ];
  }

  #readAgain(): Promise<void> {
    return new Promise((resolve) => {
      const worker = new Worker(new URL('./catalog-worker.js', import.meta.url), {
        workerData: this.#path,
        resourceLimits: THREAD_LIMITS,
      });
      worker.unref();
      const failed = (error: WireError): void => {
        this.#failed = true;
        this.#error = error;
      };
      worker.once('message', (reading: CatalogReading) => {
        if ('error' in reading) {
          failed(reading.error);
          return;
        }
        this.#samples = reading.samples;
        this.#read = Date.now();
        this.#readAt = performance.now();
        this.#failed = false;
        this.#error = undefined;
      });
      worker.once('error', (error) => failed(toWire(error)));
      worker.once('exit', () => resolve());
    });
  }
}
