// The WAL that recovery of one backup would read along a timeline: from the archive, else from the backup itself.

import { PbkfsError } from '../../errors.js';
import type { Catalog } from '../catalog.js';
import { DATABASE_DIR } from '../constants.js';
import type { BackupInfo } from '../types.js';
import { WalArchive, walDirectory } from './archive.js';
import {
  DEFAULT_SEGMENT_SIZE,
  historyName,
  isSegmentName,
  type Lsn,
  parseLsnNumber,
  parseSegmentName,
  segmentName,
} from './lsn.js';
import { endsTransaction, eventOf, type WalEvent } from './record-events.js';
import { RecordWalk, type WalFault } from './record-walk.js';
import { branchesOf, followTimelines, type Histories, type TimelineSpan, type TimelineTarget } from './timelines.js';

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
  readonly #blockSize: number;
  readonly #systemIdentifier: string | undefined;
  readonly #own: number;
  readonly #major: number;
  readonly #histories: Histories;
  #fault: WalFault | undefined;

  /** @throws PbkfsError target_unreachable when the timeline cannot be reached; backup_damaged without LSNs */
  constructor(catalog: Catalog, instance: string, backup: BackupInfo, timeline: TimelineTarget) {
    const { id, startLsn = '', stopLsn = '', timeline: own } = backup;
    const [start, stop] = [parseLsnNumber(startLsn), parseLsnNumber(stopLsn)];
    if (!start || !stop || own === undefined) {
      throw new PbkfsError('backup_damaged', `backup ${id}: backup.control does not say which WAL the backup needs`, {
        hint: 'choose another backup, or repair its backup.control',
      });
    }
    this.start = start;
    this.consistent = stop;
    const { xlogSegSize, systemIdentifier } = catalog.config(instance);
    this.segmentSize = xlogSegSize ?? DEFAULT_SEGMENT_SIZE;
    this.#blockSize = backup.xlogBlockSize;
    const archive = new WalArchive(walDirectory(catalog.path, instance), this.segmentSize);
    const inside = new WalArchive(`${backup.directory}/${DATABASE_DIR}/pg_wal`);
    this.#sources = backup.stream ? [archive, inside] : [archive];
    this.#systemIdentifier = systemIdentifier;
    this.#own = own;
    this.#major = Number.parseInt(backup.serverVersion ?? '15', 10);
    this.#histories = {
      read: (wanted) => this.#read(historyName(wanted))?.toString(),
      list: () => timelinesOf(this.#sources),
    };
    this.spans = followTimelines(own, stop, timeline, this.#histories);
  }

  /** The last one that recovery follows. */
  get timeline(): number {
    return this.spans.at(-1)!.timeline;
  }

  /** Number of the last segment that recovery gets to without a gap; one less than the first where there is none. */
  lastSegment(): number {
    let number = Math.floor(this.start / this.segmentSize);
    while (this.#has(number)) number++;
    return number - 1;
  }

  /** The first segment that is there although one before it is not; undefined where nothing is missing. */
  behindGap(): string | undefined {
    const last = this.lastSegment();
    const names = this.#sources.flatMap((source) => source.names()).filter(isSegmentName);
    const numbers = names
      .map((name) => ({ name, number: parseSegmentName(name, this.segmentSize).number }))
      .filter(({ name, number }) => number > last && name === this.nameOf(number));
    return numbers.sort((a, b) => a.number - b.number)[0]?.name;
  }

  /** What recovery cannot get past although there is more behind it, for people; undefined where there is nothing. */
  gap(): string | undefined {
    const behind = this.behindGap();
    return behind === undefined
      ? undefined
      : `segment ${this.nameOf(this.lastSegment() + 1)} is missing, before ${behind}`;
  }

  /** Timelines that recovery of the backup could follow as well. */
  otherTimelines(): number[] {
    const all = [this.#own, ...branchesOf(this.#own, this.consistent, this.#histories)];
    return all.filter((timeline) => timeline !== this.timeline);
  }

  /** Decompressed and checked. @throws PbkfsError wal_damaged */
  segment(number: number): Buffer | undefined {
    return this.#read(this.nameOf(number));
  }

  /**
   * The file that recovery needs for it, there or not: of the newest timeline of ours that begins before its end.
   * PostgreSQL tries older ones too; what they have there lies behind the point where they were left, at least in part.
   */
  nameOf(number: number): string {
    const span = this.spans.findLast(({ begin }) => Math.floor(begin / this.segmentSize) <= number)!;
    return segmentName(span.timeline, number, this.segmentSize);
  }

  /** Where the events ended, and why; undefined before that. */
  get fault(): WalFault | undefined {
    return this.#fault;
  }

  /**
   * Everything from the backup's start to where recovery would find the WAL's end, or to `stop`.
   * @param progress called with each segment before its events
   * @throws PbkfsError wal_damaged for a segment that cannot be read
   */
  *events(
    progress: (number: number) => void = () => undefined,
    stop: Lsn = Number.POSITIVE_INFINITY,
  ): Generator<WalEvent, void> {
    const walk = this.#walk(this.start, stop, progress);
    for (let record = walk.next(); record !== undefined; record = walk.next()) {
      const event = eventOf(record, walk.last!, this.#major);
      if (event !== undefined) yield event;
    }
    this.#fault = walk.fault;
  }

  /** Looks at the last segments only. */
  end(): WalEnd {
    const first = Math.floor(this.start / this.segmentSize);
    let lastRecord: Lsn | undefined;
    for (let number = this.lastSegment(); number >= first; number--) {
      const begin = number * this.segmentSize;
      const walk = this.#walk(Math.max(begin, this.start), begin + this.segmentSize);
      let lastTime: number | undefined;
      for (let record = walk.next(); record !== undefined; record = walk.next()) {
        const event = eventOf(record, walk.last!, this.#major);
        if (event !== undefined && endsTransaction(event)) lastTime = event.time;
      }
      // A segment that breaks off ends everything behind it.
      if (walk.fault !== undefined && walk.fault.segment <= this.lastSegment()) lastRecord = walk.last;
      else lastRecord ??= walk.last;
      if (lastTime !== undefined) return { lastRecord, lastTime };
    }
    return { lastRecord, lastTime: undefined };
  }

  #walk(start: Lsn, stop: Lsn, progress: (number: number) => void = () => undefined): RecordWalk {
    const { segmentSize, spans: timelines } = this;
    return new RecordWalk(
      { start, stop, timelines, segmentSize, blockSize: this.#blockSize, systemIdentifier: this.#systemIdentifier },
      (number) => {
        const bytes = this.segment(number);
        if (bytes !== undefined) progress(number);
        return bytes;
      },
    );
  }

  #has(number: number): boolean {
    const name = this.nameOf(number);
    return this.#sources.some((source) => source.has(name));
  }

  #read(name: string): Buffer | undefined {
    for (const source of this.#sources) {
      const bytes = source.read(name);
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }
}

function timelinesOf(sources: readonly WalArchive[]): number[] {
  const names = sources.flatMap((source) => source.names()).filter((name) => name.endsWith('.history'));
  return [...new Set(names.map((name) => Number.parseInt(name.slice(0, 8), 16)))].sort((a, b) => a - b);
}
