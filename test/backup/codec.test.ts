// Page codecs: exactly one page out, or an error.

import fs from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { decodePage } from '../../src/backup/codec/decode.js';
import { decodeLz4 } from '../../src/backup/codec/lz4.js';
import { type CompressAlg, compressAlgs, parseCompressAlg } from '../../src/backup/codec/names.js';
import { decodePglz } from '../../src/backup/codec/pglz.js';
import { encodePage, encodePglz, makePage } from '../support/pages.js';
import { fixture } from '../support/paths.js';

const decode = (alg: CompressAlg, payload: Buffer) => {
  // The page lands in the middle of a larger buffer, whose other bytes must stay.
  const out = Buffer.alloc(8192 + 64, 0x77);
  decodePage(alg, Buffer.concat([Buffer.from('head'), payload, Buffer.from('tail')]), 4, 4 + payload.length, out, 32);
  if (!out.subarray(0, 32).equals(Buffer.alloc(32, 0x77))) throw new Error('wrote before the page');
  if (!out.subarray(-32).equals(Buffer.alloc(32, 0x77))) throw new Error('wrote behind the page');
  return out.subarray(32, 32 + 8192);
};

t.test('names', (t) => {
  t.same(['none', 'ZLIB', 'p', 'z', 'zs', 'l', ' lz4 '].map(parseCompressAlg), [
    'none',
    'zlib',
    'pglz',
    'zlib',
    'zstd',
    'lz4',
    'lz4',
  ]);
  t.same(['', 'lzma', 'zlibx'].map(parseCompressAlg), [undefined, undefined, undefined]);
  t.end();
});

t.test('every codec gives back what was encoded; a page that does not shrink is stored raw (trap 6)', (t) => {
  for (const alg of compressAlgs) {
    for (const seed of [1, 2, 3]) {
      const page = makePage(seed, seed);
      t.ok(decode(alg, encodePage(alg, page)).equals(page), alg);
      t.equal(encodePage(alg, page).length < 8192, alg !== 'none');
    }
    t.ok(decode(alg, encodePage(alg, Buffer.alloc(8192))).equals(Buffer.alloc(8192)), `${alg}: zero page`);
    const full = makePage(9, 9, { filled: true });
    t.ok(decode(alg, encodePage(alg, full)).equals(full), `${alg}: full page`);
  }
  t.end();
});

t.test('pages that the zstd and lz4 programs made', (t) => {
  const page = fs.readFileSync(fixture('codec/page.bin'));
  t.ok(decode('zstd', fs.readFileSync(fixture('codec/page.zstd'))).equals(page));
  t.ok(decode('lz4', fs.readFileSync(fixture('codec/page.lz4block'))).equals(page));
  t.end();
});

t.test('pglz: any page survives a round trip', (t) => {
  const piece = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 300 }),
    fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 2000 })).map(([byte, count]) => new Uint8Array(count).fill(byte)),
    fc
      .tuple(fc.uint8Array({ minLength: 2, maxLength: 20 }), fc.integer({ min: 1, max: 100 }))
      .map(([bytes, times]) => new Uint8Array(Buffer.concat(Array<Uint8Array>(times).fill(bytes)))),
  );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 40 }), (pieces) => {
      const page = Buffer.alloc(8192);
      Buffer.concat(pieces).copy(page);
      const encoded = encodePglz(page);
      const out = new Uint8Array(8192);
      decodePglz(encoded, 0, encoded.length, out, 0);
      return page.equals(out);
    }),
    { numRuns: 100 },
  );
  t.end();
});

t.test('payloads that are cut off or have bytes left over are errors', (t) => {
  const page = makePage(5, 5);
  for (const alg of compressAlgs) {
    const payload = encodePage(alg, page);
    if (alg === 'none') {
      t.throws(() => decode(alg, payload.subarray(0, 100)), /listed as uncompressed/);
      continue;
    }
    for (const length of [1, 2, payload.length >> 1, payload.length - 1]) {
      t.throws(() => decode(alg, payload.subarray(0, length)), Error, `${alg} cut to ${length} bytes`);
    }
  }
  const pglz = encodePglz(page);
  t.throws(() => decode('pglz', Buffer.concat([pglz, Buffer.of(0)])), /left over/);
  t.end();
});

t.test('pages of another size are errors', (t) => {
  for (const alg of ['zlib', 'pglz'] as const) {
    for (const size of [8191, 8193, 16384]) {
      const page = Buffer.alloc(size);
      const payload = alg === 'pglz' ? encodePglz(page) : encodePage(alg, page);
      t.throws(() => decode(alg, payload), Error, `${alg}: ${size}`);
    }
  }
  t.end();
});

t.test('hostile input never writes outside of the page', (t) => {
  const bytes = fc.uint8Array({ maxLength: 600 });
  for (const decoder of [decodePglz, decodeLz4]) {
    fc.assert(
      fc.property(bytes, (input) => {
        const out = Buffer.alloc(8192 + 64, 0x77);
        try {
          decoder(input, 0, input.length, out, 32);
        } catch {
          // Refusing is what is asked for.
        }
        return out.subarray(0, 32).every((byte) => byte === 0x77) && out.subarray(-32).every((byte) => byte === 0x77);
      }),
      { numRuns: 500 },
    );
  }
  t.end();
});
