// What hangs on the version that made a backup: each rule by the last version of the old one and the first of the new.

import t from 'tap';
import * as rules from '../../src/backup/program-version.js';

const version = (text: string): number => rules.parseProgramVersion(text)!;
const MANY = 500 * 8192;

/** [rule, [version, whether it holds]…] */
const boundaries: [string, (version: number) => boolean, ...[string, boolean][]][] = [
  [
    'known',
    (v) => rules.versionProblem(v) === undefined,
    ['2.0.13', false],
    ['2.0.14', true],
    ['2.99.99', true],
    ['3.0.0', false],
  ],
  ['payloads are padded', rules.paddedPayloads, ['2.3.99', true], ['2.4.0', false]],
  ['streams end by markers', rules.hasTruncationMarkers, ['2.2.99', true], ['2.3.0', false]],
  ['a merged FULL has zeros', (v) => rules.hasEmptyRecords(v, 'FULL'), ['2.3.99', true], ['2.4.0', false]],
  ['an increment has zeros', (v) => rules.hasEmptyRecords(v, 'PAGE'), ['2.2.7', false]],
  [
    '8192 bytes may be compressed',
    rules.fullSizeMayBeCompressed,
    ['2.0.22', true],
    ['2.0.23', false],
    ['2.1.0', false],
  ],
  [
    'CRC-32',
    (v) => rules.fileCrcKind(v) === 'crc32',
    ['2.0.21', false],
    ['2.0.22', true],
    ['2.0.24', true],
    ['2.0.25', false],
  ],
  ['what vanished is unchanged', rules.vanishedIsUnchanged, ['2.0.26', true], ['2.0.27', false]],
  [
    'lists lost lines',
    (v) => rules.lostListLines(v, MANY),
    ['2.1.3', false],
    ['2.1.4', true],
    ['2.2.1', true],
    ['2.2.2', false],
  ],
  ['short lists lost none', (v) => rules.lostListLines(v, MANY - 1), ['2.1.4', false]],
];

for (const [rule, holds, ...versions] of boundaries) {
  t.test(rule, async (t) => {
    for (const [text, wanted] of versions) t.equal(holds(version(text)), wanted, text);
  });
}

t.test('texts of versions', async (t) => {
  t.equal(version('2.5.16'), 20516);
  t.equal(version(' 2.4.0 Enterprise'), 20400);
  for (const text of ['', '2', '2.5', 'x2.5.16', '2.5.160']) t.equal(rules.parseProgramVersion(text), undefined, text);
});
