// The metrics of all mounts of this host, read through the mounts themselves, of which some may be dead or hang.

import { displayPath } from '../../backup/byte-path.js';
import { type MetricName, metricDefinitions, metricNames } from '../../metrics/definitions.js';
import { isOurs, readMounts } from '../../sys/mountinfo.js';
import { readByChild } from '../status/ask-mount.js';
import { within } from '../within.js';

/** How long a mount may take to tell its metrics, in ms. */
const PATIENCE = 3000;

export interface ScrapedMount {
  readonly mountpoint: string;
  /** undefined: it does not answer, or may not be read */
  readonly text: string | undefined;
}

export class HostMounts {
  /** What is being read; of a mount that hangs until it lets go of its reader. */
  readonly #reading = new Map<string, Promise<string | undefined>>();
  readonly #patience: number;
  readonly #mountpoints: () => string[];

  constructor(patience = PATIENCE, mountpoints = ourMountpoints) {
    this.#patience = patience;
    this.#mountpoints = mountpoints;
  }

  /** All of them at a time, none waited for longer than the patience. Never rejects. */
  scrape(): Promise<ScrapedMount[]> {
    return Promise.all(
      this.#mountpoints().map(async (mountpoint) => ({ mountpoint, text: await this.#read(mountpoint) })),
    );
  }

  #read(mountpoint: string): Promise<string | undefined> {
    let reading = this.#reading.get(mountpoint);
    if (reading === undefined) {
      reading = readByChild(mountpoint, 'metrics', this.#patience)
        .then((told) => (typeof told === 'string' ? told : undefined))
        .finally(() => this.#reading.delete(mountpoint));
      this.#reading.set(mountpoint, reading);
    }
    return within(reading, this.#patience);
  }
}

function ourMountpoints(): string[] {
  const points = readMounts()
    .filter(isOurs)
    .map((mount) => displayPath(mount.mountPoint));
  return [...new Set(points)].sort();
}

/**
 * Puts the texts of several mounts together: each metric once, with the samples of all. What is not a sample of a known
 * metric with the mount's own label is dropped: a mount may be anybody's.
 */
export function mergeScrapes(mounts: readonly ScrapedMount[]): string {
  const samples = new Map<MetricName, string[]>();
  for (const { mountpoint, text } of mounts) {
    const seen = new Set<string>();
    for (const line of (text ?? '').split('\n')) {
      const [, name, labels] = /^([a-z_]+)(\{.*\}) -?[0-9.e+-]+$/.exec(line) ?? [];
      const metric = name === undefined ? undefined : metricOf(name);
      if (metric === undefined || !labels!.startsWith(`{mountpoint="${quoted(mountpoint)}"`)) continue;
      const series = `${name}${labels}`;
      if (seen.has(series)) continue;
      seen.add(series);
      samples.set(metric, [...(samples.get(metric) ?? []), line]);
    }
  }
  return metricNames
    .filter((name) => samples.has(name))
    .map((name) => {
      const { help, type } = metricDefinitions[name];
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.get(name)!.join('\n')}\n`;
    })
    .join('\n');
}

/** The metric of a mount that a sample belongs to. */
function metricOf(sample: string): MetricName | undefined {
  const definition = (name: string) => {
    const found = metricDefinitions[name as MetricName];
    return found?.from === 'mount' ? found : undefined;
  };
  const base = sample.replace(/_(bucket|sum|count)$/, '');
  if (base !== sample && definition(base)?.type === 'histogram') return base as MetricName;
  const type = definition(sample)?.type;
  return type === undefined || type === 'histogram' ? undefined : (sample as MetricName);
}

/** A label's value as the text format has it. */
function quoted(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
