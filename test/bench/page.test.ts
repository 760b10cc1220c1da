// The page that is made from the raw data of the benchmark.

import t from 'tap';
import { figure, renderPage } from '../../bench/report/page.js';
import { resultOf, rowOf } from './result.js';

const result = resultOf([
  rowOf('case/reads', [0.9, 1], { atLeast: 0.9 }),
  rowOf('case/waits', [3, 3], { atMost: 2 }),
  { ...rowOf('case/peer', [1, 1], {}), targets: [{ against: 'a peer', atLeast: 1 }] },
]);

t.test('each target has its ratio, the range of the rounds and a verdict', async (t) => {
  const page = renderPage(result, {});
  t.match(page, '| what case/reads does (`case/reads`) | ≥ 0.9 × native | 0.95 (0.90…1.00) | reached |');
  t.match(page, '| what case/waits does (`case/waits`) | ≤ 2 × native | 3.00 (3.00…3.00) | **missed** |');
  t.match(page, '| ≥ 1 × a peer | – | not measured |');
  t.match(page, '1 targets reached, 1 missed, 1 not measured.');
  t.match(page, '- `case/waits`: cause unknown so far.');
});

t.test('what a side gave before it was warmed up stands beside', async (t) => {
  const row = rowOf('case/reads', [0.9, 1], { atLeast: 0.9 });
  const [native, mount] = row.sides;
  const page = renderPage(
    resultOf([
      {
        ...row,
        sides: [
          { ...native!, atFirst: 800 },
          { ...mount!, atFirst: 400 },
        ],
      },
    ]),
    {},
  );
  t.match(page, '| 0.95 (0.90…1.00), at first 0.50 | reached |');
  t.match(page, '| 950, 0.95×, at first 400, ');
});

t.test('a cause is found by the id of the row or the beginning of it', async (t) => {
  t.match(renderPage(result, { 'case/waits': 'Because.' }), '- `case/waits`: Because.');
  t.match(renderPage(result, { case: 'Generally.' }), '- `case/waits`: Generally.');
});

t.test('machine, versions, missing peers, commands and failures are named', async (t) => {
  const failed = { ...result, cases: [{ ...result.cases[0]!, failed: 'it broke\nat some place' }] };
  const page = renderPage(failed, {});
  for (const text of [
    'Linux 6.1, Node v20.0.0, PostgreSQL 15.1, fio-3.33',
    '- fuse-overlayfs: is not installed',
    '- a codec: its library is missing',
    '`npm run bench -- --case case`, 60 s',
    '**Failed:** it broke\n',
    'CPU 0.5 s',
  ]) {
    t.match(page, text);
  }
});

t.test('a case that was measured later names its machine', async (t) => {
  const [first] = result.cases;
  const machine = { ...result.machine, cpu: 'another processor', pbkfs: '0.1.0 (def)' };
  const page = renderPage({ ...result, cases: [first!, { ...first!, name: 'later', machine }] }, {});
  t.match(page, '--case case`, 60 s, measured 2026-11-21 12:01 UTC.\n');
  t.match(page, /--case later`.* UTC, later than the rest: 2 CPUs \(another processor\), .*pbkfs 0\.1\.0 \(def\)\.\n/);
});

t.test('figures have three digits', async (t) => {
  t.strictSame([123456, 1234, 12.345, 0.0123456, 0].map(figure), ['123 000', '1 230', '12.3', '0.0123', '0']);
});
