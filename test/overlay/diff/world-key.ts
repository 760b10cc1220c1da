// Names for the pages of a map file under which worlds with the same future compare equal.

import { decodeDurable, decodeIdentity, decodeMark, IMAGE_HEADER } from '../../../src/overlay/diff/map-format.js';
import type { Page } from './simulated-content.js';

const pageNames = new Map<number, string>();

/** Names pages of a map by what they say without their sequence, and `sN` for that. */
export function nameMapPage(path: string, index: number, page: Page): string | undefined {
  if (!path.endsWith('.map') || index === 1) return undefined;
  let name = pageNames.get(page.id);
  if (name === undefined) {
    const objectId = path.slice(path.lastIndexOf('/') + 1, -4);
    const durable = decodeDurable(objectId, page.bytes.subarray(0, IMAGE_HEADER + 8));
    if (durable !== undefined) name = `${durable.length}/${durable.baseLimit}/${durable.bits[0]}s${durable.sequence}`;
    else if (decodeIdentity(page.bytes) !== undefined) name = `m s${decodeMark(page.bytes)}`;
    else name = `${page.id}`;
    pageNames.set(page.id, name);
  }
  return name;
}

/** Replaces the sequences in a key by their ranks. */
export function ranked(key: string): string {
  const found = new Set<number>();
  for (const [, digits] of key.matchAll(/s(\d+)/g)) found.add(Number(digits));
  const order = [...found].sort((a, b) => a - b);
  return key.replace(/s(\d+)/g, (_, digits: string) => `s${order.indexOf(Number(digits))}`);
}
