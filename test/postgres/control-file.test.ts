// What is read of pg_control, field by field; what is no control file that we know is not guessed at.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readControlFile } from '../../src/postgres/control-file.js';

const FIELDS = {
  8: 1700,
  16: 4,
  48: 3,
  172: 2,
  180: 101,
  184: 102,
  188: 103,
  192: 104,
  196: 105,
  228: 1 << 24,
  252: 1,
};

function read(t: Test, fields: Readonly<Record<number, number>> = {}, length = 8192) {
  const bytes = Buffer.alloc(8192);
  for (const [at, value] of Object.entries({ ...FIELDS, ...fields })) bytes.writeUInt32LE(value, Number(at));
  bytes.writeBigUInt64LE(0x2_0000_0028n, 40);
  const dataDir = t.testdir();
  mkdirSync(join(dataDir, 'global'));
  writeFileSync(join(dataDir, 'global/pg_control'), bytes.subarray(0, length));
  return readControlFile(dataDir);
}

t.test('every field from its place', async (t) => {
  t.strictSame(await read(t), {
    ...{ state: 'in crash recovery', redo: 0x2_0000_0028, timeline: 3, walLevel: 'logical' },
    ...{ maxConnections: 101, maxWorkerProcesses: 102, maxWalSenders: 103, maxPreparedTransactions: 104 },
    ...{ maxLocksPerTransaction: 105, walSegmentSize: 1 << 24, checksums: true },
  });
  t.match(await read(t, { 252: 0, 172: 0, 16: 1 }), { checksums: false, walLevel: 'minimal', state: 'shut down' });
  t.match(await read(t, { 16: 99 }), { state: 'in production' }, 'one that we do not know is none to rely on');
});

t.test('versions and levels that we do not know, and a file that was cut', async (t) => {
  for (const version of [1300, 1700, 1800]) await read(t, { 8: version });
  for (const [fields, length] of [
    [{ 8: 1201 }, 8192],
    [{ 8: 1900 }, 8192],
    [{ 172: 3 }, 8192],
    [{}, 255],
    [{}, 0],
  ] as const)
    await t.rejects(read(t, fields, length), { code: 'server_failed', message: /pg_control: .* is not known$/ });
});
