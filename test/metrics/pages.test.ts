// docs/metrics.md, the dashboard and the alert rules say what the definitions say.
//
// After a change of the definitions: PBKFS_WRITE_DOCS=1 node dist/test/metrics/pages.test.js

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { counterDefinitions, type MetricName, metricDefinitions, operations } from '../../src/metrics/definitions.js';
import { metricsTable } from '../support/metrics-page.js';
import { repoRoot } from '../support/paths.js';
import { prometheusMissing, promtool } from '../support/promtool.js';

const RULES = join(repoRoot, 'contrib/prometheus/pbkfs.rules.yml');
const DASHBOARD = join(repoRoot, 'contrib/grafana/pbkfs.json');
const PAGE = join(repoRoot, 'docs/metrics.md');

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly targets?: readonly { expr: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly query: string }[] };
}

const dashboard = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as Dashboard;
const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

t.test('the tables of docs/metrics.md are those of the definitions', async (t) => {
  let page = readFileSync(PAGE, 'utf8');
  for (const from of ['mount', 'exporter', 'drill'] as const) {
    const between = new RegExp(`(<!-- ${from} metrics -->\n)([^]*?)(\n<!-- end -->)`);
    if (process.env.PBKFS_WRITE_DOCS === '1') {
      page = page.replace(between, (_, begin, _old, end) => `${begin}${metricsTable(from)}${end}`);
      writeFileSync(PAGE, page);
    }
    t.equal(between.exec(page)?.[2], metricsTable(from));
  }
});

t.test('docs/metrics.md names the values of labels', async (t) => {
  const page = readFileSync(PAGE, 'utf8');
  for (const [metric, label] of Object.values(counterDefinitions) as (readonly [
    string,
    (readonly [string, string])?,
  ])[])
    if (label !== undefined) t.ok(page.includes(`\`${label[1]}\``), `${label[0]}="${label[1]}" of ${metric}`);
});

/** Every metric of an expression exists, with the labels and label values it is asked for. */
function check(t: Test, expression: string): void {
  const known: Record<string, readonly string[]> = { op: operations };
  for (const [, label] of Object.values(counterDefinitions) as (readonly [string, (readonly [string, string])?])[]) {
    if (label !== undefined) known[label[0]] = [...(known[label[0]] ?? []), label[1]];
  }
  const used = [...expression.matchAll(/\b((?:pbkfs|process)_[a-z_]+)(?:\{([^}]*)\})?/g)];
  t.ok(used.length > 0, expression);
  for (const [, name, matchers = ''] of used) {
    const base = [name!, name!.replace(/_(bucket|sum|count)$/, '')].find((candidate) => candidate in metricDefinitions);
    t.ok(base !== undefined, `${name} is defined`);
    if (base === undefined) continue;
    const { type, labels, from } = metricDefinitions[base as MetricName];
    t.equal(base !== name, type === 'histogram', `${name} is no sample of a ${type}`);
    for (const [, label, values] of matchers.matchAll(/([a-z_]+)\s*=~?\s*"([^"]*)"/g)) {
      const common = from === 'mount' ? ['mountpoint'] : [];
      t.ok([...labels, ...common].includes(label!), `${name} has the label ${label}`);
      if (known[label!] === undefined) continue;
      for (const value of values!.split('|'))
        t.ok(known[label!]!.includes(value), `${label}="${value}" of ${name} exists`);
    }
  }
}

t.test('the dashboard asks for what there is', async (t) => {
  t.ok(expressions.length > 20);
  for (const expression of expressions) check(t, expression);
  for (const { query } of dashboard.templating.list.slice(1)) check(t, query.replace(/label_values\((.*),.*\)/, '$1'));
  const ids = dashboard.panels.map(({ id }) => id);
  t.equal(new Set(ids).size, ids.length, 'every panel has an id of its own');
});

t.test('the alert rules ask for what there is', async (t) => {
  const rules = [...readFileSync(RULES, 'utf8').matchAll(/^ +expr: (.*)$/gm)].map(([, expression]) => expression!);
  t.ok(rules.length >= 10);
  for (const expression of rules) check(t, expression);
});

t.test(
  'promtool accepts the alert rules and the expressions of the dashboard',
  { skip: prometheusMissing },
  async (t) => {
    t.equal(promtool(['check', 'rules', RULES]).status, 0);
    const filled = expressions.map((expression) =>
      expression.replaceAll('$__rate_interval', '5m').replaceAll('$mountpoint', '.*'),
    );
    const groups = [{ name: 'dashboard', rules: filled.map((expr, i) => ({ record: `panel:${i}`, expr })) }];
    const file = join(t.testdir(), 'dashboard.yml');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ groups }));
    const { status, said } = promtool(['check', 'rules', file]);
    t.equal(status, 0, said);
  },
);
