// Contents of files on the simulated disk, and what a power cut may leave of them.
//
// Contents are immutable and made of shared pages. The zeros a truncate puts into the page it cuts count as part of the
// change of size (a real file system may write them early; then no design on top of it can help), and what is written
// after a truncate into the range it cut lies in new disk blocks, which the file has only with that change.

import { crc32c } from '@node-rs/crc32';

export const PAGE = 4096;

/** Pages of a small map before its slots: each holds things no longer than a disk's sector, which is never torn. */
const FIRST_SLOT_PAGE = 2;

/** Equal pages are one object with one id. */
export interface Page {
  readonly id: number;
  readonly bytes: Uint8Array;
}

export interface Content {
  readonly size: number;
  /** Pages from 0; those missing at the end are zeros. */
  readonly pages: readonly Page[];
}

export interface Inode {
  readonly durable: Content;
  readonly now: Content;
  /** Smallest size since the last sync. */
  readonly low: number;
  /** Per page the first content written since the last sync. */
  readonly first: readonly (Page | undefined)[];
}

const interned = new Map<number, Page[]>();
let pageIds = 0;

function intern(bytes: Uint8Array): Page {
  const sum = crc32c(bytes);
  const candidates = interned.get(sum) ?? [];
  for (const page of candidates) if (Buffer.compare(page.bytes, bytes) === 0) return page;
  const page = { id: pageIds++, bytes };
  interned.set(sum, [...candidates, page]);
  return page;
}

const zeroPage = intern(new Uint8Array(PAGE));
export const empty: Content = { size: 0, pages: [] };

/** The content with another size: cut off, or extended by zeros. */
export function resized(content: Content, size: number): Content {
  const count = Math.ceil(size / PAGE);
  const pages = content.pages.slice(0, count);
  const inLast = size - (count - 1) * PAGE;
  if (size < content.size && inLast < PAGE && pages.length === count) {
    const bytes = pages[count - 1].bytes.slice();
    bytes.fill(0, inLast);
    pages[count - 1] = intern(bytes);
  }
  return { size, pages };
}

export const pageAt = (content: Content, index: number): Page => content.pages[index] ?? zeroPage;

/** What a power cut may leave of a file. */
export const cuts = [
  'lost', //     nothing un-synced survived
  'kept', //     everything did
  'data', //     written pages did, changes of size did not
  'sizes', //    changes of size did, written pages did not
  'uncut', //    the last size did, but neither pages nor the zeros of a truncate in between
  'shortest', // the shortest size did, nothing later
  'even', //     the last size and every even page
  'odd', //      the last size and every odd page
  'first', //    the last size, and of pages written twice the first content
  'torn', //     everything, but of each slot of a map only the first 64 bytes
] as const;
export type Cut = (typeof cuts)[number];

export function cutContent(inode: Inode, cut: Cut): Content {
  const { durable, now, low } = inode;
  if (durable === now || cut === 'lost') return durable;
  if (cut === 'kept') return now;
  const base = cut === 'uncut' || cut === 'data' ? durable : resized(durable, Math.min(durable.size, low));
  if (cut === 'shortest') return base;
  const size = cut === 'data' ? durable.size : now.size;
  const resizedBase = resized(base, size);
  if (cut === 'sizes' || cut === 'uncut') return resizedBase;
  const pages: Page[] = [];
  for (let i = 0; i < Math.ceil(size / PAGE); i++) {
    const old = pageAt(resizedBase, i);
    const page = i < now.pages.length ? now.pages[i] : undefined;
    if (page === undefined || (cut === 'even' && i % 2 === 1) || (cut === 'odd' && i % 2 === 0)) pages.push(old);
    else if (cut === 'data' && low < durable.size && i >= Math.floor(low / PAGE)) pages.push(old);
    else if (cut === 'first') pages.push(inode.first[i] ?? old);
    else if (cut === 'torn' && i >= FIRST_SLOT_PAGE) pages.push(tornPage(old, page));
    else pages.push(page);
  }
  // A file system shows zeros, never old bytes of the last page, when a file grows over its end.
  return resized({ size: pages.length * PAGE, pages }, size);
}

function tornPage(old: Page, written: Page): Page {
  if (old === written) return old;
  const bytes = old.bytes.slice();
  bytes.set(written.bytes.subarray(0, 64));
  return intern(bytes);
}

export function contentKey(content: Content): string {
  let key = `${content.size}:`;
  for (const page of content.pages) key += `${page.id},`;
  return key;
}

/** The content after a pwrite. */
export function written(content: Content, data: Uint8Array, position: number): Content {
  const end = position + data.length;
  const pages = [...content.pages];
  for (let at = position; at < end; ) {
    const index = Math.floor(at / PAGE);
    const inPage = at % PAGE;
    const step = Math.min(end - at, PAGE - inPage);
    while (pages.length < index) pages.push(zeroPage);
    const bytes = (pages[index] ?? zeroPage).bytes.slice();
    bytes.set(data.subarray(at - position, at - position + step), inPage);
    pages[index] = intern(bytes);
    at += step;
  }
  return { size: Math.max(content.size, end), pages };
}
