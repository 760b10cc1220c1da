// In which files of a database directory the hot catalogs lie: by pg_filenode.map, and by the rows of pg_class.

// Not by the index of src/backup: this process has to be quick.
import { BLCKSZ } from '../../backup/constants.js';
import { hotOids } from './hot-oids.js';

/*
 * RelMapFile of src/backend/utils/cache/relmapper.c: i32 magic, i32 count, then count pairs of u32 oid, u32 filenode.
 */
const MAP_MAGIC = 0x592717;

/** Files by OID, of a pg_filenode.map; empty for anything else. */
export function filenodeMap(bytes: Buffer): Map<number, number> {
  const map = new Map<number, number>();
  if (bytes.length < 8 || bytes.readInt32LE(0) !== MAP_MAGIC) return map;
  const count = Math.min(bytes.readInt32LE(4), Math.floor((bytes.length - 8) / 8));
  for (let i = 0; i < count; i++) map.set(bytes.readUInt32LE(8 + i * 8), bytes.readUInt32LE(12 + i * 8));
  return map;
}

/*
 * A heap page: u16 pd_lower at 12, line pointers of 4 bytes from 24 on (15 bits offset, 2 bits flags, 15 bits length). A
 * tuple: u8 t_hoff at 22, then the row: u32 oid, name relname, u32 each relnamespace, reltype, reloftype, relowner, relam,
 * relfilenode (src/include/catalog/pg_class.h, the same in 13 to 18).
 */
const PD_LOWER = 12;
const PAGE_HEADER = 24;
const LP_NORMAL = 1;
const T_HOFF = 22;
const RELFILENODE = 88;

/** Files of the hot catalogs: of all versions of their rows, dead ones too. @param heap of pg_class, whole pages */
export function hotFilenodes(heap: Buffer): Set<number> {
  const found = new Set<number>();
  for (let page = 0; page + BLCKSZ <= heap.length; page += BLCKSZ) {
    const lower = Math.min(heap.readUInt16LE(page + PD_LOWER), BLCKSZ);
    for (let at = PAGE_HEADER; at + 4 <= lower; at += 4) {
      const pointer = heap.readUInt32LE(page + at);
      const offset = pointer & 0x7fff;
      if (((pointer >>> 15) & 3) !== LP_NORMAL || offset + T_HOFF >= BLCKSZ) continue;
      const row = page + offset + heap[page + offset + T_HOFF]!;
      if (row + RELFILENODE + 4 > page + BLCKSZ) continue;
      const filenode = heap.readUInt32LE(row + RELFILENODE);
      if (filenode !== 0 && hotOids.has(heap.readUInt32LE(row))) found.add(filenode);
    }
  }
  return found;
}
