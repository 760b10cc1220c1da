// The WebAssembly decoders of pglz and lz4 against those in JavaScript, which are the model.

import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import t from 'tap';
import { decodeByWasm } from '../../src/backup/codec/lz-wasm.js';
import { decodeLz4 } from '../../src/backup/codec/lz4.js';
import { decodePglz } from '../../src/backup/codec/pglz.js';
import { encodePage, makePage } from '../support/pages.js';
import { repoRoot } from '../support/paths.js';

const model = { pglz: decodePglz, lz4: decodeLz4 };

function byModel(alg: 'pglz' | 'lz4', payload: Buffer): Buffer | null {
  const out = Buffer.alloc(8192);
  try {
    model[alg](payload, 0, payload.length, out, 0);
    return out;
  } catch {
    return null;
  }
}

/** From the middle of one buffer to the middle of another, whose other bytes must stay. */
function byWasm(alg: 'pglz' | 'lz4', payload: Buffer): Buffer | null {
  const source = Buffer.concat([Buffer.alloc(7, 0xff), payload, Buffer.alloc(40, 0xff)]);
  const out = Buffer.alloc(8192 + 64, 0x77);
  const made = decodeByWasm(alg, source, 7, 7 + payload.length, out, 32);
  const page = Buffer.from(out.subarray(32, -32));
  out.fill(0x77, 32, 32 + 8192);
  if (!out.equals(Buffer.alloc(out.length, 0x77))) throw new Error('wrote outside of the page');
  if (!made && !page.equals(Buffer.alloc(8192, 0x77))) throw new Error('wrote a page that it refused');
  return made ? page : null;
}

interface Sequence {
  readonly literals: Uint8Array;
  readonly distance: number;
  readonly length: number;
}

/**
 * Literals, then a match. Distances and lengths lie around the steps of 8 and 16 bytes in which it copies, or anywhere.
 * @param most literals and length of a match
 */
const sequences = (most: { literals: number; length: number }): fc.Arbitrary<Sequence[]> => {
  const sequence = fc.record({
    literals: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: most.literals })),
    distance: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 4095 })),
    length: fc.oneof(fc.integer({ min: 4, max: 40 }), fc.integer({ min: 4, max: most.length })),
  });
  return fc.array(sequence, { minLength: 1, maxLength: 30 });
};

/** A match of pglz has 273 bytes at most; lengths of lz4 go on in bytes of 255. */
const given = { pglz: sequences({ literals: 40, length: 273 }), lz4: sequences({ literals: 900, length: 2000 }) };

/** Makes exactly one page of the sequences, repeated as often as it takes, unless one reaches back too far. */
function makes(sequences: Sequence[], add: (literals: Uint8Array, distance: number, length: number) => void): void {
  for (let made = 0, i = 0; made < 8192; i++) {
    const { literals, distance, length } = sequences[i % sequences.length]!;
    const some = literals.subarray(0, Math.min(8192 - made, literals.length || 1));
    const bytes = some.length === 0 ? Uint8Array.of(i) : some;
    made += bytes.length;
    const rest = Math.min(length, 8192 - made);
    const matches = rest >= 4;
    add(bytes, matches ? Math.min(distance, made) : 0, matches ? rest : 0);
    if (matches) made += rest;
    else for (; made < 8192; made++) add(Uint8Array.of(made), 0, 0);
  }
}

function pglzOf(sequences: Sequence[]): Buffer {
  const items: number[][] = [];
  makes(sequences, (literals, distance, length) => {
    for (const byte of literals) items.push([byte]);
    if (length === 0) return;
    const first = ((distance >> 8) << 4) | Math.min(length - 3, 15);
    items.push(length < 18 ? [first, distance & 255] : [first, distance & 255, length - 18]);
  });
  const bytes: number[] = [];
  for (let i = 0; i < items.length; i += 8) {
    const group = items.slice(i, i + 8);
    bytes.push(
      group.reduce((control, item, bit) => control | (item.length > 1 ? 1 << bit : 0), 0),
      ...group.flat(),
    );
  }
  return Buffer.from(bytes);
}

function lz4Of(sequences: Sequence[]): Buffer {
  const bytes: number[] = [];
  const more = (value: number): number[] => (value < 255 ? [value] : [255, ...more(value - 255)]);
  const nibble = (value: number): number => Math.min(value, 15);
  let pending: number[] = [];
  const literals = (): number[] => [...(pending.length >= 15 ? more(pending.length - 15) : []), ...pending];
  makes(sequences, (some, distance, length) => {
    pending.push(...some);
    if (length === 0) return;
    bytes.push((nibble(pending.length) << 4) | nibble(length - 4), ...literals(), distance & 255, distance >> 8);
    if (length - 4 >= 15) bytes.push(...more(length - 4 - 15));
    pending = [];
  });
  if (pending.length > 0) bytes.push(nibble(pending.length) << 4, ...literals());
  return Buffer.from(bytes);
}

const encode = { pglz: pglzOf, lz4: lz4Of };

for (const alg of ['pglz', 'lz4'] as const) {
  t.test(`${alg}: pages as they are stored`, (t) => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const page = makePage(seed, seed, { filled: seed === 5 });
      const payload = encodePage(alg, page);
      if (payload.length < 8192) t.ok(byWasm(alg, payload)?.equals(page), `page ${seed}`);
    }
    t.ok(byWasm(alg, encodePage(alg, Buffer.alloc(8192)))?.equals(Buffer.alloc(8192)), 'zeros');
    t.end();
  });

  t.test(`${alg}: every distance and length as the model decodes it`, (t) => {
    let pages = 0;
    fc.assert(
      fc.property(given[alg], (sequences) => {
        const payload = encode[alg](sequences);
        const expected = byModel(alg, payload);
        if (expected === null) throw new Error('the test makes a wrong payload');
        if (payload.length > 8192) return byWasm(alg, payload) === null;
        pages++;
        return byWasm(alg, payload)?.equals(expected) === true;
      }),
      { numRuns: 400 },
    );
    t.ok(pages > 100, `${pages} pages`);
    t.end();
  });

  t.test(`${alg}: nothing before the page is referred to`, (t) => {
    const payload = encode[alg]([{ literals: Uint8Array.of(65), distance: 1, length: 200 }]);
    t.ok(byWasm(alg, payload)?.equals(Buffer.alloc(8192, 65)), 'one byte back, which is the first');
    // Behind it the distance of the first match: the second byte of a tag, or the first of two.
    payload[alg === 'pglz' ? 3 : 2] = 2;
    t.equal(byModel(alg, payload), null);
    t.equal(byWasm(alg, payload), null, 'two bytes back');
    t.end();
  });

  t.test(`${alg}: what is cut off, changed or rubbish is refused or decoded as by the model`, (t) => {
    const same = (payload: Buffer): boolean => {
      const [expected, made] = [byModel(alg, payload), byWasm(alg, payload)];
      return expected === null ? made === null : made?.equals(expected) === true;
    };
    const good = given[alg].map(encode[alg]);
    const change = fc.record({ at: fc.double({ min: 0, max: 0.999, noNaN: true }), byte: fc.nat(255) });
    fc.assert(
      fc.property(
        good,
        fc.array(change, { maxLength: 3 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (payload, changes, cut) => {
          for (const { at, byte } of changes) payload[Math.floor(at * payload.length)] = byte;
          const end = Math.floor(cut * payload.length);
          return [payload, payload.subarray(0, end), Buffer.concat([payload, Buffer.of(1)])].every(
            (one) => one.length > 8192 || same(one),
          );
        },
      ),
      { numRuns: 400 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => same(Buffer.from(bytes))),
      { numRuns: 1000 },
    );
    t.end();
  });
}

t.test('the module is what the AssemblyScript beside it makes', (t) => {
  t.doesNotThrow(() => execFileSync(process.execPath, ['scripts/assemble.mjs', '--check'], { cwd: repoRoot }));
  t.end();
});

t.test('without WebAssembly JavaScript decodes', (t) => {
  const program = `
    import { decodePage } from ${JSON.stringify(new URL('../../src/backup/codec/decode.js', import.meta.url).href)};
    let asked = 0;
    Object.defineProperty(globalThis, 'WebAssembly', { get: () => void asked++ });
    const payload = Buffer.from(process.argv[1], 'base64'), out = Buffer.alloc(8192);
    for (let i = 0; i < 3; i++) decodePage('pglz', payload, 0, payload.length, out, 0);
    process.stdout.write(asked + out.toString('base64'));`;
  const page = makePage(1, 1);
  const payload = encodePage('pglz', page).toString('base64');
  const run = ['--input-type=module', '--eval', program, payload];
  t.equal(
    execFileSync(process.execPath, run, { encoding: 'utf8' }),
    `1${page.toString('base64')}`,
    'which is asked for once',
  );
  t.end();
});
