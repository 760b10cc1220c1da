// backup.control: what is read, and which faults make a backup unusable.

import t from 'tap';
import { parseBackupControl } from '../../src/backup/backup-control.js';
import { matchWhole } from '../support/match-whole.js';

const good = `#Configuration
backup-mode = DELTA
stream = true
compress-alg = zlib
#Compatibility
block-size = 8192
xlog-block-size = 8192
checksum-version = 1
program-version = 2.5.16
server-version = 15
timelineid = 3
start-lsn = 0/15000028
start-time = '2026-11-21 04:06:30+00'
status = OK
parent-backup-id = 'tou3dd'
primary_conninfo = 'host=x'
note = 'nightly'
content-crc = 3997020512
`;

const parse = (text: string, name = 'TOU3EU') => parseBackupControl(Buffer.from(text), `/c/backups/main/${name}`, name);

t.test('every value of a good file', (t) => {
  matchWhole(t, parse(good), {
    id: 'TOU3EU',
    mode: 'DELTA',
    status: 'OK',
    problem: undefined,
    warnings: [],
    parentId: 'TOU3DD',
    stream: true,
    timeline: 3,
    blockSize: 8192,
    checksumVersion: 1,
    programVersion: '2.5.16',
    version: 20516,
    serverVersion: '15',
    primaryConninfo: 'host=x',
    note: 'nightly',
    contentCrc: 3997020512,
    startTime: Date.UTC(2026, 10, 21, 4, 6, 30) / 1000,
  });
  t.end();
});

t.test('the identity is the start time, not the name of the directory', (t) => {
  const info = parse(good, 'COPY');
  t.equal(info.id, 'TOU3EU');
  t.equal(info.problem, undefined);
  matchWhole(t, info.warnings, [/called COPY/]);
  t.equal(parse(good, 'tou3eu').id, 'tou3eu', "the catalog's own spelling is kept (trap 12)");
  t.end();
});

t.test('modes and statuses', (t) => {
  t.equal(parse(good.replace('= DELTA', '= pt')).mode, 'PTRACK', 'a prefix in any case is enough, as for pg_probackup');
  t.match(parse(good.replace('= DELTA', '= NEW')).problem, /backup-mode/);
  t.equal(parse(good.replace('= OK', '= ODD')).status, 'INVALID');
  t.match(parse(good.replace('= OK', '= ODD')).problem, /status.*ODD/);
  t.end();
});

t.test('missing or empty control file', (t) => {
  t.match(parseBackupControl(undefined, '/c/X', 'X', 'backup.control is missing'), {
    id: 'X',
    status: 'INVALID',
    problem: 'backup.control is missing',
  });
  t.match(parse('').problem, /empty/);
  t.end();
});

t.test('what a reader cannot do without', (t) => {
  for (const key of ['backup-mode', 'program-version', 'start-time', 'status']) {
    const info = parse(good.replace(new RegExp(`^${key}.*\n`, 'm'), ''));
    t.match(info.problem, new RegExp(`${key} is missing`));
  }
  t.match(parse(good.replace('block-size = 8192', 'block-size = many')).problem, /block-size/);
  t.match(
    parse(good.replace('3997020512', 'zero')).problem,
    /content-crc/,
    'a CRC that cannot be read is not "no CRC"',
  );
  t.end();
});

t.test('unknown keys and odd lines are only warnings', (t) => {
  const info = parse(`${good}brand-new-key = 1\nwhat is this\n`);
  t.equal(info.problem, undefined);
  matchWhole(t, info.warnings, [/no "key = value"/, /brand-new-key/]);
  t.end();
});
