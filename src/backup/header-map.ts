// page_header_map: the index of a page stream that backups since 2.4.0 carry (format page 5).

import fs from 'node:fs';
import zlib from 'node:zlib';
import { READ_PLAIN } from '../sys/plain-file.js';
import { pathBytes } from './byte-path.js';
import { BLCKSZ, RECORD_HEADER } from './constants.js';
import { crc32c } from './crc.js';
import type { HeaderChunk, StreamPart } from './types.js';

/*
 * One entry of an inflated chunk, 24 bytes; entry nHeaders is a dummy of which only pos counts (= stream length):
 *
 *     0        8         12      16           18     24
 *     | u64 lsn | i32 block | i32 pos | u16 checksum | pad |
 */
const ENTRY = 24;
const AT_BLOCK = 8;
const AT_POS = 12;
const AT_CHECKSUM = 16;

/** The entries of one file's chunk, known to be consistent. */
export class HeaderEntries {
  readonly count: number;
  readonly #view: DataView;

  constructor(bytes: Buffer) {
    this.count = bytes.length / ENTRY - 1;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  block(i: number): number {
    return this.#view.getInt32(i * ENTRY + AT_BLOCK, true);
  }

  /** File offset of the record's header; for i = count the length of the stream. */
  pos(i: number): number {
    return this.#view.getInt32(i * ENTRY + AT_POS, true);
  }

  checksum(i: number): number {
    return this.#view.getUint16(i * ENTRY + AT_CHECKSUM, true);
  }

  /** Payload bytes of the record. */
  size(i: number): number {
    return this.pos(i + 1) - this.pos(i) - RECORD_HEADER;
  }
}

/**
 * Reads and checks the chunk of one stream: place, CRC, length, ascending blocks and positions, agreement with the list.
 * @returns the entries, or the reason why the map cannot be used (the stream itself can still be read)
 */
export function readHeaderMap(part: StreamPart, chunk: HeaderChunk): HeaderEntries | string {
  if (chunk.off < 0 || chunk.size <= 0) return `impossible place ${chunk.off}+${chunk.size}`;
  // A chunk shrinks when it is compressed; what claims otherwise by far is not worth its memory.
  const wanted = (chunk.nHeaders + 1) * ENTRY;
  if (chunk.nHeaders * RECORD_HEADER > part.storedSize || chunk.size > wanted + (wanted >> 8) + 64)
    return 'sizes that contradict the list';
  let inflated: Buffer;
  try {
    inflated = zlib.inflateSync(readChunk(chunk), { maxOutputLength: wanted, chunkSize: Math.max(64, wanted + 1) });
  } catch (error) {
    return (error as Error).message;
  }
  if (inflated.length !== wanted) return `${inflated.length} bytes instead of ${wanted}`;
  const crc = crc32c(inflated);
  if (crc !== chunk.crc) return `CRC ${crc} instead of ${chunk.crc}`;
  const entries = new HeaderEntries(inflated);
  return inconsistency(entries, part) ?? entries;
}

function readChunk(chunk: HeaderChunk): Buffer {
  const fd = fs.openSync(pathBytes(chunk.file), READ_PLAIN);
  try {
    const bytes = Buffer.allocUnsafe(chunk.size);
    for (let have = 0; have < chunk.size; ) {
      const got = fs.readSync(fd, bytes, have, chunk.size - have, chunk.off + have);
      if (got === 0) throw new Error(`the map ends before byte ${chunk.off + chunk.size}`);
      have += got;
    }
    return bytes;
  } finally {
    fs.closeSync(fd);
  }
}

function inconsistency(entries: HeaderEntries, part: StreamPart): string | undefined {
  let block = -1;
  for (let i = 0; i < entries.count; i++) {
    const size = entries.size(i);
    if (entries.block(i) <= block) return `block ${entries.block(i)} after block ${block}`;
    if (size < 1 || size > BLCKSZ) return `size ${size} of block ${entries.block(i)}`;
    block = entries.block(i);
  }
  if (entries.pos(0) !== 0) return `first record at byte ${entries.pos(0)}`;
  const end = entries.pos(entries.count);
  return end === part.storedSize ? undefined : `end at byte ${end}, ${part.storedSize} are listed`;
}
