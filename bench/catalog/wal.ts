// The WAL of a made-up backup: one segment of records, and the positions that backup.control gives for it.

import { formatLsn } from '../../src/backup/wal/index.js';
import { WalWriter } from '../../test/support/wal-writer.js';

const SEGMENT = 16 << 20;
/** Behind the LSNs of all made-up pages. */
const FIRST = 2 * SEGMENT;
const RMGR_HEAP = 10;
/** As much as little traffic leaves behind while a backup is made. */
const RECORDS = 4000;
const DATA = Buffer.alloc(120, 0x20);

export interface MadeWal {
  /** Segments by name. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly control: { readonly 'start-lsn': string; readonly 'stop-lsn': string };
}

export function makeWal(): MadeWal {
  const writer = new WalWriter(FIRST, SEGMENT);
  for (let record = 0; record < RECORDS; record++) writer.main(RMGR_HEAP, 0, DATA);
  const stop = Math.ceil(writer.end / 8) * 8;
  writer.switchSegment();
  return {
    files: writer.files(),
    control: { 'start-lsn': formatLsn(writer.records[0]!), 'stop-lsn': formatLsn(stop) },
  };
}
