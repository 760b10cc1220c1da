// The table in docs/metrics.md, made from the definitions.

import { metricDefinitions, metricNames } from '../../src/metrics/definitions.js';

/** One line a metric of the mounts, the exporter or a drill, in the order of the definitions. */
export function metricsTable(from: 'mount' | 'exporter' | 'drill'): string {
  const rows = metricNames
    .filter((name) => metricDefinitions[name].from === from)
    .map((name) => {
      const { type, unit, labels, help } = metricDefinitions[name];
      return `| \`${name}\` | ${type} | ${unit} | ${labels.map((label) => `\`${label}\``).join(' ')} | ${help} |`;
    });
  return ['| metric | type | unit | labels | what it is |', '|---|---|---|---|---|', ...rows].join('\n');
}
