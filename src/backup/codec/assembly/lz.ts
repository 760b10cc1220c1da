// pglz and lz4 in AssemblyScript: the decoders of ../pglz.ts and ../lz4.ts, which take 3 and 7 times as long. Made into
// ../lz-module.ts by `npm run assemble`.
//
// They only say yes or no: whoever asks has the others look at a payload again that is not right, and say what is wrong.
// Copies go in steps of 8 or 16 bytes and may reach behind their end, hence the room behind both places.

const PAGE: usize = 8192;
/** Bytes that one step may read or write too much. */
const ROOM: usize = 16;

const INPUT = memory.data(8192 + 16);
const PAGE_OUT = memory.data(8192 + 16);

/** Of a match that begins 1 to 7 bytes back: the smallest multiple of that from 8 on. */
const AT_LEAST_8 = memory.data<u8>([0, 8, 8, 9, 8, 10, 12, 14]);

/** Where the payload is put, 8192 bytes at most. */
export function input(): usize {
  return INPUT;
}

/** Where the page is made. */
export function page(): usize {
  return PAGE_OUT;
}

/** Repeats at `to` the `length` bytes from `distance` bytes back on, which may include what it makes itself. */
function repeat(to: usize, distance: usize, length: usize): void {
  const stop = to + length;
  let back = distance;
  let at = to;
  if (back < 8) {
    for (const eight = at + 8; at < eight; at++) store<u8>(at, load<u8>(at - back));
    back = load<u8>(AT_LEAST_8 + back);
  }
  for (; at < stop; at += 8) store<u64>(at, load<u64>(at - back));
}

/** @returns whether the first `length` bytes of the input are pglz and make exactly one page */
export function pglz(length: usize): bool {
  const end = INPUT + length;
  const limit = PAGE_OUT + PAGE;
  let from = INPUT;
  let to = PAGE_OUT;
  while (from < end && to < limit) {
    let control: u32 = load<u8>(from++);
    if (control === 0 && end - from >= 8 && limit - to >= 8) {
      store<u64>(to, load<u64>(from));
      from += 8;
      to += 8;
      continue;
    }
    for (let bit = 0; bit < 8 && from < end && to < limit; bit++, control >>= 1) {
      if ((control & 1) === 0) {
        store<u8>(to++, load<u8>(from++));
        continue;
      }
      if (end - from < 2) return false;
      const first: usize = load<u8>(from);
      const distance = ((first & 0xf0) << 4) | <usize>load<u8>(from, 1);
      let count = (first & 0x0f) + 3;
      from += 2;
      if (count === 18) {
        if (from === end) return false;
        count += load<u8>(from++);
      }
      if (distance === 0 || distance > to - PAGE_OUT || count > limit - to) return false;
      repeat(to, distance, count);
      to += count;
    }
  }
  return to === limit && from === end;
}

/** What lengthAt returns instead. */
const CUT_OFF: usize = usize.MAX_VALUE;

/** The rest of an lz4 length: the sum of bytes up to the first that is not 255, which are sum / 255 + 1 of them. */
function lengthAt(from: usize, end: usize): usize {
  let sum: usize = 0;
  for (let at = from; at < end; at++) {
    const byte: usize = load<u8>(at);
    sum += byte;
    if (byte !== 255) return sum;
  }
  return CUT_OFF;
}

/** @returns whether the first `length` bytes of the input are a raw lz4 block and make exactly one page */
export function lz4(length: usize): bool {
  const end = INPUT + length;
  const limit = PAGE_OUT + PAGE;
  let from = INPUT;
  let to = PAGE_OUT;
  while (from < end) {
    const token: usize = load<u8>(from++);
    let literals = token >> 4;
    if (literals === 15) {
      const more = lengthAt(from, end);
      if (more === CUT_OFF) return false;
      literals += more;
      from += more / 255 + 1;
    }
    if (literals > end - from || literals > limit - to) return false;
    if (literals <= ROOM) {
      store<u64>(to, load<u64>(from));
      store<u64>(to, load<u64>(from, 8), 8);
    } else memory.copy(to, from, literals);
    from += literals;
    to += literals;
    // The last sequence of a block has literals only.
    if (from === end) break;
    if (end - from < 2) return false;
    const distance: usize = load<u16>(from);
    from += 2;
    let count = token & 15;
    if (count === 15) {
      const more = lengthAt(from, end);
      if (more === CUT_OFF) return false;
      count += more;
      from += more / 255 + 1;
    }
    count += 4;
    if (distance === 0 || distance > to - PAGE_OUT || count > limit - to) return false;
    repeat(to, distance, count);
    to += count;
  }
  return to === limit;
}
