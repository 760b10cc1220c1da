// The inflate that is used again for each page: on any input it decides as a stream of its own for each page.

import zlib from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { reusableInflate } from '../../../src/backup/codec/inflate-handle.js';
import { decodeZlib } from '../../../src/backup/codec/zlib.js';

const ROOM = 8192 + 64;

/** What a stream of its own makes of the bytes; ROOM or more are too much, whatever follows. */
function fresh(input: Buffer): string {
  try {
    return zlib.inflateSync(input, { chunkSize: ROOM, maxOutputLength: ROOM - 1 }).toString('latin1');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too much' : (error as Error).message;
  }
}

const pieces = fc.array(
  fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 600 }),
    fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 3000 })).map(([byte, count]) => new Uint8Array(count).fill(byte)),
  ),
  { maxLength: 12 },
);
const deflated = fc
  .tuple(pieces, fc.constantFrom(0, 1, 6, 9), fc.constantFrom(8192, -1))
  .map(([parts, level, size]) => {
    const plain = Buffer.concat(parts);
    const exact = size < 0 ? plain : Buffer.concat([plain, Buffer.alloc(8192)]).subarray(0, 8192);
    return zlib.deflateSync(exact, { level });
  });
const harm = fc.oneof(
  { weight: 3, arbitrary: fc.constant((stream: Buffer) => stream) },
  fc.nat().map((n) => (stream: Buffer) => stream.subarray(0, n % (stream.length + 1))),
  fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })).map(([n, bits]) => (stream: Buffer) => {
    const bad = Buffer.from(stream);
    bad[n % bad.length]! ^= bits;
    return bad;
  }),
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((more) => (stream: Buffer) => Buffer.concat([stream, more])),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => () => Buffer.from(bytes)),
);

t.test('one kept inflate decides as a new stream does, whatever it had before', (t) => {
  const inflate = reusableInflate();
  if (inflate === null) throw new Error('this version of Node has no zlib handle that can be kept');
  const out = Buffer.alloc(ROOM);
  const kept = (input: Buffer): string => {
    try {
      const made = inflate(input, 0, input.length, out);
      return made === ROOM ? 'too much' : out.toString('latin1', 0, made);
    } catch (error) {
      return (error as Error).message;
    }
  };
  fc.assert(
    fc.property(deflated, harm, (stream, damage) => {
      const input = damage(stream);
      return kept(input) === fresh(input);
    }),
    { numRuns: 2000 },
  );
  t.end();
});

t.test('a page between other bytes', (t) => {
  const page = Buffer.alloc(8192, 'page of text ');
  const stream = zlib.deflateSync(page, { level: 1 });
  const input = Buffer.concat([Buffer.alloc(77, 0xff), stream, Buffer.alloc(5, 0xff)]);
  const out = Buffer.alloc(8192 + 64, 0x77);
  decodeZlib(input, 77, 77 + stream.length, out, 32);
  t.ok(out.subarray(32, -32).equals(page));
  t.ok([...out.subarray(0, 32), ...out.subarray(-32)].every((byte) => byte === 0x77));
  const inflate = reusableInflate();
  t.throws(() => inflate?.(input, 0, input.length + 1, out), RangeError, 'behind the buffer');
  t.throws(() => inflate?.(input, -1, 4, out), RangeError, 'before it');
  t.end();
});
