// The file of a digest: what a mount keeps of a chain's content lists, as it lies in memory. docs/list-digest.md.

import fs from 'node:fs';
import { endianness } from 'node:os';
import { packageVersion } from '../../version.js';
import { crc32c } from '../crc.js';
import type { ChainListsData } from './chain-lists.js';
import type { KeyTableData } from './key-table.js';
import type { ChainIdentity } from './list-identity.js';

const MAGIC = Buffer.from('pbkfsLD1', 'latin1');
const PREFIX = 16;
const ALIGN = 8;
/** A chain of a thousand backups has a header of 200 KB. */
const MAX_HEADER = 4 << 20;
const PIECE = 1 << 20;

type Column = Uint8Array | Uint32Array | Int32Array;

interface Header {
  /** Of pbkfs: another one may number codecs differently. */
  readonly program: string;
  readonly endianness: string;
  readonly key: string;
  /** ms since 1970: when the lists were looked at, before they were read. */
  readonly seenAt: number;
  /** Elements of each column. */
  readonly lengths: readonly number[];
  /** CRC-32C of all that follows the header. */
  readonly crc: number;
}

/** What a digest says of itself. */
export interface Digest {
  readonly lists: ChainListsData;
  readonly seenAt: number;
}

/** Columns in the order of the file; lists are as many as there are backups. */
function columnsOf({ paths, modes, lists }: ChainListsData): Column[] {
  const keys = ({ tags, starts, bytes, slots }: KeyTableData): Column[] => [tags, starts, bytes, slots];
  return [
    ...keys(paths.directories),
    ...keys(paths.names),
    modes,
    ...lists.flatMap(({ at, records }) => [at, records]),
  ];
}

/** Columns that are not of bytes have words. */
const isBytes = (column: number): boolean => column === 2 || column === 6 || (column > 8 && column % 2 === 0);

/** Writes a digest into a file that is empty. */
export function writeDigest(
  fd: number,
  lists: ChainListsData,
  { key, seenAt }: Pick<ChainIdentity, 'key' | 'seenAt'>,
): void {
  const columns = columnsOf(lists);
  // Neither the CRC's code nor write(2) needs to be asked whether it takes memory that is shared.
  const piece = Buffer.alloc(PIECE);
  let crc = 0;
  inPieces(columns, piece, (part) => {
    crc = crc32c(part, crc);
  });
  const lengths = columns.map(({ length }) => length);
  const fields: Header = { program: packageVersion(), endianness: endianness(), key, seenAt, lengths, crc };
  const text = JSON.stringify(fields);
  const header = Buffer.from(
    text.padEnd(aligned(Buffer.byteLength(text)) - Buffer.byteLength(text) + text.length),
    'utf8',
  );
  const prefix = Buffer.alloc(PREFIX);
  MAGIC.copy(prefix);
  prefix.writeUInt32LE(header.length, 8);
  prefix.writeUInt32LE(crc32c(header), 12);
  writeAll(fd, prefix);
  writeAll(fd, header);
  inPieces(columns, piece, (part) => writeAll(fd, part));
}

/** Bytes that a digest takes, or a little more. */
export function digestBytes(lists: ChainListsData): number {
  return columnsOf(lists).reduce((sum, { byteLength }) => sum + aligned(byteLength), MAX_HEADER);
}

/**
 * Reads a digest and believes nothing of it.
 * @param members how many backups the chain has
 * @returns undefined for anything but a whole digest of just these lists by just this program
 */
export function readDigest(fd: number, key: string, members: number): Digest | undefined {
  const { size } = fs.fstatSync(fd);
  const prefix = Buffer.alloc(PREFIX);
  if (!readAll(fd, prefix, 0) || !prefix.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const headerLength = prefix.readUInt32LE(8);
  if (headerLength > MAX_HEADER || headerLength % ALIGN !== 0) return undefined;
  const text = Buffer.alloc(headerLength);
  if (!readAll(fd, text, PREFIX) || crc32c(text) !== prefix.readUInt32LE(12)) return undefined;
  const header = JSON.parse(text.toString('utf8')) as Header;
  if (header.program !== packageVersion() || header.endianness !== endianness() || header.key !== key) return undefined;
  const { lengths } = header;
  if (lengths.length !== 9 + 2 * members) return undefined;
  const bytes = lengths.map((length, column) => aligned(isBytes(column) ? length : 4 * length));
  const total = bytes.reduce((sum, length) => sum + length, 0);
  const start = PREFIX + headerLength;
  if (start + total !== size) return undefined;
  const memory = new ArrayBuffer(total);
  let crc = 0;
  for (let at = 0; at < total; at += PIECE) {
    const part = Buffer.from(memory, at, Math.min(PIECE, total - at));
    if (!readAll(fd, part, start + at)) return undefined;
    crc = crc32c(part, crc);
  }
  if (crc !== header.crc) return undefined;
  const lists = listsFrom(memory, lengths, bytes, members);
  return lists === undefined ? undefined : { lists, seenAt: header.seenAt };
}

function listsFrom(
  memory: ArrayBuffer,
  lengths: readonly number[],
  bytes: readonly number[],
  members: number,
): ChainListsData | undefined {
  const starts = bytes.map((_, column) => bytes.slice(0, column).reduce((sum, length) => sum + length, 0));
  const words = (column: number) => new Uint32Array(memory, starts[column], lengths[column]);
  const octets = (column: number) => new Uint8Array(memory, starts[column], lengths[column]);
  const keys = (first: number): KeyTableData => {
    const slots = new Int32Array(memory, starts[first + 3], lengths[first + 3]);
    return { count: lengths[first]!, tags: words(first), starts: words(first + 1), bytes: octets(first + 2), slots };
  };
  const lists = Array.from({ length: members }, (_, n) => ({ at: words(9 + 2 * n), records: octets(10 + 2 * n) }));
  const data: ChainListsData = { paths: { directories: keys(0), names: keys(4) }, modes: words(8), lists };
  const { count } = data.paths.names;
  const fits =
    isTable(data.paths.directories) &&
    isTable(data.paths.names) &&
    data.modes.length === count &&
    lists.every(({ at }) => at.length === count);
  return fits ? data : undefined;
}

/** Whether a look-up in it ends. */
function isTable({ count, starts, bytes, slots }: KeyTableData): boolean {
  const { length } = slots;
  return (
    starts.length === count + 1 && starts[count] === bytes.length && length > count && (length & (length - 1)) === 0
  );
}

/** Hands out the bytes of all columns, each filled up with zeros to a multiple of 8. */
function inPieces(columns: readonly Column[], piece: Buffer, take: (part: Buffer) => void): void {
  for (const { buffer, byteOffset, byteLength } of columns) {
    for (let at = 0; at < byteLength; at += piece.length) {
      const length = Math.min(piece.length, byteLength - at);
      piece.set(new Uint8Array(buffer, byteOffset + at, length));
      piece.fill(0, length, aligned(length));
      take(piece.subarray(0, aligned(length)));
    }
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGN) * ALIGN;
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done);
}

function readAll(fd: number, into: Buffer, position: number): boolean {
  for (let done = 0; done < into.length; ) {
    const got = fs.readSync(fd, into, done, into.length - done, position + done);
    if (got === 0) return false;
    done += got;
  }
  return true;
}
