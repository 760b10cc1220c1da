// One archived file as it is stored: found under one of several suffixes, decompressed, checked, made whole.

import zlib from 'node:zlib';
import { PbkfsError } from '../../errors.js';
import { readIfThere } from '../../sys/read-if-there.js';
import { displayPath, pathBytes } from '../byte-path.js';
import { zstdDecompress } from '../codec/zstd-frame.js';
import { isSegmentName, parseSegmentName } from './lsn.js';
import { decodeLz4Frames } from './lz4-frame.js';
import { LONG_HEADER, readSegmentHeader } from './segment-header.js';

/** The largest segment that initdb allows. */
const MAX_SEGMENT = 1 << 30;
const limited = { maxOutputLength: MAX_SEGMENT };

/**
 * How archive-get looks for a segment (format page 12), with the suffixes of Enterprise editions after those of the
 * open one. Names that are not segments are stored as they are.
 */
export const SEGMENT_SUFFIXES = ['.gz', '', '.lz4', '.zst', '.gz.partial', '.partial', '.lz4.partial', '.zst.partial'];

/**
 * The content PostgreSQL shall get for `name`, from the stored file `path` (latin1).
 * @param suffix of {@link SEGMENT_SUFFIXES}: how it is stored
 * @param blank bytes to give for a segment of which nothing has come yet; undefined: none
 * @returns undefined when there is no such file
 * @throws PbkfsError wal_damaged when it cannot be decompressed, is short, or belongs to another place of the WAL
 */
export function readStored(path: string, name: string, suffix: string, blank: number | undefined): Buffer | undefined {
  const stored = readIfThere(pathBytes(path));
  if (stored === undefined) return undefined;
  if (!isSegmentName(name)) return stored;
  const damaged = (message: string, cause?: unknown): PbkfsError =>
    new PbkfsError('wal_damaged', `${displayPath(path)}: ${message}`, {
      hint: 'recovery cannot go past it: restore the file from a copy, or choose an earlier recovery target',
      ...(cause === undefined ? {} : { cause }),
    });
  let bytes: Buffer;
  try {
    bytes = decompress(stored, suffix);
  } catch (error) {
    throw damaged(`it cannot be decompressed: ${(error as Error).message}`, error);
  }
  const partial = isPartial(suffix);
  if (partial && isBlank(bytes)) return blank === undefined ? undefined : Buffer.alloc(blank);
  const header = readSegmentHeader(bytes);
  if (header === undefined) throw damaged('it does not begin like a WAL segment');
  const { segmentSize, address } = header;
  if (address !== parseSegmentName(name, segmentSize).number * segmentSize) {
    throw damaged('its first page belongs to another place of the WAL');
  }
  if (bytes.length === segmentSize) return bytes;
  // Of a partial segment archive-get makes a whole one by zeros.
  if (bytes.length < segmentSize && partial) return Buffer.concat([bytes], segmentSize);
  throw damaged(`it has ${bytes.length} bytes, ${segmentSize} are needed`);
}

export function isPartial(suffix: string): boolean {
  return suffix.endsWith('.partial');
}

/** pg_receivewal makes the file before anything has come, and what it compresses stays in memory at first. */
function isBlank(bytes: Buffer): boolean {
  return bytes.length < LONG_HEADER || bytes.equals(Buffer.alloc(bytes.length));
}

function decompress(stored: Buffer, suffix: string): Buffer {
  // What pg_receivewal is writing, or was when it was killed, ends anywhere; archive-get takes what is there, too.
  if (suffix === '.gz.partial')
    return zlib.gunzipSync(stored, { ...limited, finishFlush: zlib.constants.Z_SYNC_FLUSH });
  if (suffix.startsWith('.gz')) return gunzip(stored);
  if (suffix.startsWith('.lz4')) return decodeLz4Frames(stored, MAX_SEGMENT, isPartial(suffix));
  if (suffix.startsWith('.zst')) return Buffer.from(zstdDecompress(stored, MAX_SEGMENT));
  return stored;
}

/**
 * Into one buffer of the length that the gzip trailer gives: pieces put together at the end took twice the memory (a
 * segment may have 1 GiB) and twice the CPU time, 23 to 35 ms for 16 MiB of WAL instead of 12.
 */
function gunzip(stored: Buffer): Buffer {
  const length = stored.length < 4 ? 0 : stored.readUInt32LE(stored.length - 4);
  // Room to spare: a piece that is exactly full would be followed by another one.
  return zlib.gunzipSync(stored, { ...limited, chunkSize: Math.min(length, MAX_SEGMENT) + 64 });
}
