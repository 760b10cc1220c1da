// Samples as Prometheus reads them. prom-client writes the text; nothing of it is loaded before somebody asks.

import type { MetricObject, MetricValue } from 'prom-client';
import { sumCounters, sumTimes } from './counters.js';
import {
  counterDefinitions,
  counterNames,
  type MetricName,
  metricDefinitions,
  metricNames,
  type SharedCounter,
} from './definitions.js';
import { bucketBounds } from './histogram.js';

export type Labels = Readonly<Record<string, string>>;

/** One value at the time of the scrape. */
export interface Sample {
  readonly metric: MetricName;
  readonly labels?: Labels;
  readonly value: number;
  /** `_bucket`, `_sum` or `_count` of a histogram. */
  readonly suffix?: string;
}

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * The text of a scrape: each metric once, in the order of the table, without those that have no sample.
 * @param common labels that every sample gets
 */
export async function renderSamples(samples: readonly Sample[], common: Labels = {}): Promise<string> {
  const { AggregatorRegistry } = await import('prom-client');
  const values = new Map<MetricName, MetricValue<string>[]>();
  for (const { metric, labels, value, suffix } of samples) {
    const list = values.get(metric) ?? [];
    list.push({
      value,
      labels: { ...common, ...labels },
      ...(suffix === undefined ? {} : { metricName: metric + suffix }),
    });
    values.set(metric, list);
  }
  const objects = metricNames
    .filter((name) => values.has(name))
    .map((name) => {
      const { type, help } = metricDefinitions[name];
      return { name, help, type, aggregator: 'sum', values: values.get(name) } as unknown as MetricObject;
    });
  return AggregatorRegistry.aggregate([objects]).metrics();
}

/** What the threads of a mount have counted and timed. */
export function sharedSamples(buffer: SharedArrayBuffer): Sample[] {
  const samples: Sample[] = [];
  for (const [op, { buckets, count, sumSeconds }] of sumTimes(buffer)) {
    // Two dozen lines each: only of what has happened.
    if (count === 0) continue;
    const metric = 'pbkfs_fuse_request_duration_seconds';
    let below = 0;
    for (const [i, observations] of buckets.entries()) {
      below += observations;
      const le = i < bucketBounds.length ? String(bucketBounds[i]) : '+Inf';
      samples.push({ metric, labels: { le, op }, value: below, suffix: '_bucket' });
    }
    samples.push({ metric, labels: { op }, value: sumSeconds, suffix: '_sum' });
    samples.push({ metric, labels: { op }, value: count, suffix: '_count' });
  }
  const counters = sumCounters(buffer);
  for (const name of counterNames) {
    const [metric, label]: SharedCounter = counterDefinitions[name];
    samples.push({
      metric,
      value: counters[name],
      ...(label === undefined ? {} : { labels: { [label[0]]: label[1] } }),
    });
  }
  return samples;
}
