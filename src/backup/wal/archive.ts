// A catalog's WAL archive of one instance: finding and reading segments, history files and backup labels by name.

import fs from 'node:fs';
import { PbkfsError } from '../../errors.js';
import { byteString, displayPath, pathBytes } from '../byte-path.js';
import { isSegmentName } from './lsn.js';
import { isPartial, readStored, SEGMENT_SUFFIXES } from './stored-segment.js';

/** What PostgreSQL may ask a restore_command for. */
const WAL_NAME = /^(?:[0-9A-F]{24}(?:\.partial|\.[0-9A-F]{8}\.backup)?|[0-9A-F]{8}\.history)$/;

/** Whether it is the name of a file of WAL: a segment, `.partial`, `.history` or `.backup`. */
export function isWalName(name: string): boolean {
  return WAL_NAME.test(name);
}

/** Directory (latin1) of an instance's archive. */
export function walDirectory(catalog: string, instance: string): string {
  return `${byteString(catalog)}/wal/${byteString(instance)}`;
}

export class WalArchive {
  readonly #directory: string;
  readonly #segmentSize: number | undefined;

  /**
   * @param directory absolute path, latin1; it need not exist (nothing is found then)
   * @param segmentSize bytes of a segment of which nothing has come yet; undefined: it is not there
   */
  constructor(directory: string, segmentSize?: number) {
    this.#directory = directory;
    this.#segmentSize = segmentSize;
  }

  get directory(): string {
    return displayPath(this.#directory);
  }

  /** Whether there is a file for `name`, good or bad. */
  has(name: string): boolean {
    if (!isWalName(name)) return false;
    return suffixesOf(name).some((suffix) => this.#stat(`${name}${suffix}`) !== undefined);
  }

  /**
   * The content that PostgreSQL shall get for `name`: decompressed, whole, checked. Where a file is damaged and the
   * same segment is stored in another form too, that one counts.
   * @returns undefined when nothing is stored under the name
   * @throws PbkfsError wal_damaged; a system error when the archive cannot be read
   */
  read(name: string): Buffer | undefined {
    if (!isWalName(name)) return undefined;
    let damage: unknown;
    for (const suffix of suffixesOf(name)) {
      try {
        const bytes = readStored(`${this.#directory}/${name}${suffix}`, name, suffix, this.#segmentSize);
        if (bytes !== undefined) return bytes;
      } catch (error) {
        if (!(error instanceof PbkfsError)) throw error;
        damage ??= error;
      }
    }
    if (damage !== undefined) throw damage;
    return undefined;
  }

  /** Names that can be asked for, each once, sorted: `.gz` and its like are taken off, a segment hides its partial. */
  names(): string[] {
    let stored: string[];
    try {
      stored = fs.readdirSync(pathBytes(this.#directory), 'latin1');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    const names = new Set<string>();
    for (const file of stored) {
      const segment = file.slice(0, 24);
      if (isSegmentName(segment) && SEGMENT_SUFFIXES.includes(file.slice(24))) names.add(segment);
      else if (isWalName(file)) names.add(file);
    }
    return [...names].sort();
  }

  /**
   * The size of what {@link read} gives; of a segment it is `segmentSize`, whatever is stored.
   * @returns undefined when nothing is stored under the name
   */
  sizeOf(name: string, segmentSize: number): number | undefined {
    if (!isWalName(name)) return undefined;
    if (isSegmentName(name)) return this.has(name) ? segmentSize : undefined;
    return this.#stat(name)?.size;
  }

  /** Of a segment that is not there whole: another text whenever there may be more of it. */
  growth(name: string): string | undefined {
    for (const suffix of suffixesOf(name)) {
      const stats = this.#stat(`${name}${suffix}`);
      if (stats !== undefined) return isPartial(suffix) ? `${suffix} ${stats.size} ${stats.mtimeMs}` : undefined;
    }
    return undefined;
  }

  #stat(file: string): fs.Stats | undefined {
    try {
      const stats = fs.statSync(pathBytes(`${this.#directory}/${file}`), { throwIfNoEntry: false });
      return stats?.isFile() ? stats : undefined;
    } catch (error) {
      // A directory on the way that is no directory.
      if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
      throw error;
    }
  }
}

function suffixesOf(name: string): readonly string[] {
  return isSegmentName(name) ? SEGMENT_SUFFIXES : [''];
}
