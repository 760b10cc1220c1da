// The WAL that recovery of one backup would read along a timeline: from the archive, else from the backup itself.

import { PbkfsError } from '../../errors.js';
import type { Catalog } from '../catalog.js';
import { DATABASE_DIR } from '../constants.js';
import type { BackupInfo } from '../types.js';
import { WalArchive, walDirectory } from './archive.js';
import { DEFAULT_SEGMENT_SIZE, historyName, type Lsn, parseLsnNumber, segmentName } from './lsn.js';
import { RecordReader, type WalEvent } from './records.js';
import { followTimelines, type TimelineSpan, type TimelineTarget } from './timelines.js';

/** The last moment that recovery can be asked for. */
export interface WalEnd {
  /** Where the last whole record begins; undefined when there is no WAL at all. */
  readonly lastRecord: Lsn | undefined;
  /** When the last transaction ended (µs since 1970); undefined when none did. */
  readonly lastTime: number | undefined;
}

export class WalPath {
  /** Where the backup begins and where it is consistent. */
  readonly start: Lsn;
  readonly consistent: Lsn;
  readonly segmentSize: number;
  readonly spans: readonly TimelineSpan[];
  readonly #sources: readonly WalArchive[];

  /** @throws PbkfsError target_unreachable when the timeline cannot be reached; backup_damaged without LSNs */
  constructor(catalog: Catalog, instance: string, backup: BackupInfo, timeline: TimelineTarget) {
    const { id, startLsn = '', stopLsn = '', timeline: own } = backup;
    const [start, stop] = [parseLsnNumber(startLsn), parseLsnNumber(stopLsn)];
    if (!start || !stop || own === undefined) {
      throw new PbkfsError('backup_damaged', `backup ${id}: backup.control does not say which WAL the backup needs`);
    }
    this.start = start;
    this.consistent = stop;
    this.segmentSize = catalog.config(instance).xlogSegSize ?? DEFAULT_SEGMENT_SIZE;
    const archive = new WalArchive(walDirectory(catalog.path, instance));
    const inside = new WalArchive(`${backup.directory}/${DATABASE_DIR}/pg_wal`);
    this.#sources = backup.stream ? [archive, inside] : [archive];
    this.spans = followTimelines(own, stop, timeline, (wanted) => this.#read(historyName(wanted))?.toString());
  }

  /** Number of the last segment that recovery gets to without a gap; one less than the first where there is none. */
  lastSegment(): number {
    let number = Math.floor(this.start / this.segmentSize);
    while (this.#nameOf(number) !== undefined) number++;
    return number - 1;
  }

  /** Decompressed and checked. @throws PbkfsError wal_damaged */
  segment(number: number): Buffer | undefined {
    const name = this.#nameOf(number);
    return name === undefined ? undefined : this.#read(name);
  }

  /**
   * Everything from the backup's start on.
   * @param progress called with each segment before its events
   */
  *events(progress: (number: number) => void = () => undefined): Generator<WalEvent, void> {
    const reader = new RecordReader(this.segmentSize, this.start);
    for (let number = Math.floor(this.start / this.segmentSize); !reader.finished; number++) {
      const bytes = this.segment(number);
      if (bytes === undefined) return;
      progress(number);
      yield* reader.read(number, bytes);
    }
  }

  /** Looks at the last segments only. */
  end(): WalEnd {
    const first = Math.floor(this.start / this.segmentSize);
    let lastRecord: Lsn | undefined;
    for (let number = this.lastSegment(); number >= first; number--) {
      const reader = new RecordReader(this.segmentSize, number === first ? this.start : 0);
      let lastTime: number | undefined;
      for (const event of reader.read(number, this.segment(number)!)) {
        // PostgreSQL compares a target time with the ends of transactions only.
        if (event.kind !== 'tablespace' && event.kind !== 'restore-point') lastTime = event.time;
      }
      if (!Number.isNaN(reader.lastRecord)) lastRecord ??= reader.lastRecord;
      if (lastTime !== undefined) return { lastRecord, lastTime };
    }
    return { lastRecord, lastTime: undefined };
  }

  /** The newest timeline of ours that has the segment, as PostgreSQL looks for it. */
  #nameOf(number: number): string | undefined {
    for (const { timeline, begin } of this.spans.toReversed()) {
      if (Math.floor(begin / this.segmentSize) > number) continue;
      const name = segmentName(timeline, number, this.segmentSize);
      if (this.#sources.some((source) => source.has(name))) return name;
    }
    return undefined;
  }

  #read(name: string): Buffer | undefined {
    for (const source of this.#sources) {
      const bytes = source.read(name);
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }
}
