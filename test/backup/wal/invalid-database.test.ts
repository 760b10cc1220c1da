// DROP DATABASE forbids connections by a record of its own, in several forms; those of real servers of 13 to 18 were read too.

import t from 'tap';
import { eventOf } from '../../../src/backup/wal/record-events.js';
import { type InvalidDatabase, invalidDatabase } from '../../support/invalid-database.js';
import { WalWriter } from '../../support/wal-writer.js';

const SEGMENT = 1 << 20;
const DATABASE = { oid: 16400, name: 'drop \u00fc' };

function eventIn(record: InvalidDatabase, cut = 0) {
  const wal = invalidDatabase(new WalWriter(0x20 * SEGMENT), record);
  const [lsn] = wal.records;
  const segment = wal.segments.get(0x20)!;
  const at = lsn! % SEGMENT;
  return eventOf(segment.subarray(at, at + segment.readUInt32LE(at) - cut), lsn!, record.major ?? 15);
}

for (const major of [14, 15]) {
  for (const image of [undefined, 'plain', 'pglz'] as const) {
    t.test(`PostgreSQL ${major}, image: ${image ?? 'none'}`, async (t) => {
      const form = { ...DATABASE, major, ...(image === undefined ? {} : { image }) };
      t.match(eventIn(form), { kind: 'invalid-database', ...DATABASE });
      t.equal(eventIn({ ...form, connectionLimit: -1 }), undefined, 'VACUUM updates the row in place, too');
      t.equal(eventIn({ ...form, tablespace: 1663 }), undefined, 'so are rows of other relations');
      t.equal(eventIn(form, 200), undefined, 'rows of a fork are not ours to judge');
    });
  }
}
