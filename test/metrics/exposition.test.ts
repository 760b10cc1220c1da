// The text of a scrape: every metric as the table says, and promtool has nothing to say.

import t from 'tap';
import { Counters, counter, createCounters, operation } from '../../src/metrics/counters.js';
import {
  counterNames,
  type MetricName,
  metricDefinitions,
  metricNames,
  operations,
} from '../../src/metrics/definitions.js';
import { renderSamples, type Sample, sharedSamples } from '../../src/metrics/exposition.js';
import { prometheusMissing, promtool } from '../support/promtool.js';

/** One sample of every metric that is no histogram, with odd label values. */
function oneOfEach(): Sample[] {
  return metricNames
    .filter((metric) => metricDefinitions[metric].type !== 'histogram')
    .map((metric) => {
      const labels = Object.fromEntries(metricDefinitions[metric].labels.map((label) => [label, 'a "b"\\c\nй']));
      return { metric, labels, value: 1.5 };
    });
}

function busy(): SharedArrayBuffer {
  const buffer = createCounters();
  const counters = new Counters(buffer, 1);
  for (const name of counterNames) counters.add(counter[name], 1);
  for (const [i, op] of operations.entries()) counters.answered(operation[op], 2 ** i / 1000);
  return buffer;
}

t.test('names follow the conventions of Prometheus', async (t) => {
  for (const name of metricNames) {
    const { type, unit, labels, help } = metricDefinitions[name];
    t.match(name, /^(pbkfs|process)_[a-z_]+$/);
    t.equal(name.endsWith('_total'), type === 'counter', `${name}: counters, and only they, end in _total`);
    const base = name.replace(/_total$/, '');
    for (const measure of ['seconds', 'bytes'] as const) {
      t.equal(base.endsWith(`_${measure}`), unit === measure, `${name} names its unit`);
    }
    t.match(help, /^[A-Z].*[^.]$/);
    t.notOk(
      labels.some((label: string) => ['instance', 'job', 'le'].includes(label)),
      `${name}: no label of Prometheus itself`,
    );
  }
});

t.test('the text has each metric once, with help and type, in the order of the table', async (t) => {
  const samples = [
    ...sharedSamples(busy()),
    ...oneOfEach().filter(({ metric }) => metricDefinitions[metric].type !== 'counter'),
  ];
  const text = await renderSamples(samples, { mountpoint: '/mnt/a' });
  const families = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]);
  const counted = new Set<MetricName>(samples.map(({ metric }) => metric));
  t.strictSame(
    families,
    metricNames.filter((name) => counted.has(name)).map((name) => [name, metricDefinitions[name].type]),
  );
  for (const [, name, help] of text.matchAll(/^# HELP (\S+) (.*)$/gm)) {
    t.equal(help, metricDefinitions[name as MetricName].help);
  }
  t.match(text, /^pbkfs_block_reads_total\{mountpoint="\/mnt\/a",source="diff"\} 1$/m);
  t.match(text, /^pbkfs_fuse_request_duration_seconds_bucket\{mountpoint="\/mnt\/a",le="0\.000016",op="read"\} 0$/m);
});

t.test('buckets of a histogram add up to its count', async (t) => {
  const text = await renderSamples(sharedSamples(busy()));
  for (const op of operations) {
    const values = [...text.matchAll(new RegExp(`_bucket\\{le="([^"]+)",op="${op}"\\} (\\d+)`, 'g'))];
    t.equal(values.at(-1)![1], '+Inf');
    t.equal(values.at(-1)![2], '1');
    const growing = values.map(([, , count]) => Number(count));
    t.strictSame(
      growing,
      [...growing].sort((a, b) => a - b),
    );
    t.match(text, `_count{op="${op}"} 1`);
  }
});

t.test('an operation that nobody has asked for takes no room', async (t) => {
  const buffer = createCounters();
  new Counters(buffer, 0).answered(operation.read, 1);
  const text = await renderSamples(sharedSamples(buffer));
  t.match(text, /op="read"/);
  t.notMatch(text, /op="write"/);
});

t.test('promtool finds nothing to say', { skip: prometheusMissing }, async (t) => {
  const counters = sharedSamples(busy());
  const rest = oneOfEach().filter(({ metric }) => !counters.some((sample) => sample.metric === metric));
  const { status, said } = promtool(['check', 'metrics'], await renderSamples([...counters, ...rest]));
  t.equal(said, '');
  t.equal(status, 0);
});
