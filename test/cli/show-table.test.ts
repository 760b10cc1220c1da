import t from 'tap';
import type { ShownBackup } from '../../src/cli/show-data.js';
import { renderInstances } from '../../src/cli/show-table.js';
import { formatBytes } from '../../src/cli/text-table.js';

const backup = (id: string, parentId: string | null): ShownBackup => ({
  id,
  parentId,
  mode: parentId === null ? 'FULL' : 'PAGE',
  status: 'OK',
  chain: [],
  mountable: true,
  reason: null,
  hint: null,
  startTime: null,
  endTime: null,
  recoveryTime: null,
  startLsn: null,
  stopLsn: null,
  timeline: null,
  stream: true,
  serverVersion: null,
  programVersion: null,
  compressAlg: null,
  dataBytes: null,
  walBytes: null,
  pgdataBytes: null,
  note: null,
  warnings: [],
});

/** First column of each line below the header. */
function ids(backups: readonly ShownBackup[]): string[] {
  const text = renderInstances([{ instance: 'main', systemIdentifier: null, backups }]);
  return text
    .split('\n')
    .slice(2, -1)
    .map((line) => line.slice(2).replace(/ {2,}(FULL|PAGE).*/, ''));
}

t.test('branches-stand-under-their-parent-in-order', async (t) => {
  t.strictSame(ids([backup('E', 'B'), backup('D', 'C'), backup('C', 'A'), backup('B', 'A'), backup('A', null)]), [
    'A',
    '└ B',
    '  └ E',
    '└ C',
    '  └ D',
  ]);
});

t.test('orphans-and-loops-are-shown-once-too', async (t) => {
  t.strictSame(ids([backup('X', 'GONE')]), ['X']);
  t.strictSame(ids([backup('B', 'A'), backup('A', 'B'), backup('S', 'S')]), ['B', '└ A', 'S']);
});

t.test('empty-catalogs-and-instances-say-so', async (t) => {
  t.equal(renderInstances([]), 'the catalog has no instances\n');
  t.match(renderInstances([{ instance: 'main', systemIdentifier: null, backups: [] }]), 'no backups');
});

t.test('sizes-have-binary-units', async (t) => {
  t.strictSame([0, 1023, 1024, 10_700_000, 2 ** 40 * 300].map(formatBytes), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '10.2 MiB',
    '300 TiB',
  ]);
  t.equal(formatBytes(null), '-');
});
