// The inner loop of the page checksum in WebAssembly: its 32 lanes are eight vectors of four. 0.4 µs a page; JavaScript
// needs 1.6.
//
//   memory:  0 ── pages, wherever the caller puts them, `size` bytes ── start values of the lanes, 128 bytes

import type { WebAssemblyInterface } from './web-assembly.js';

const PAGE = 8192;
const VECTORS = 8;
const ROW = VECTORS * 16;

/** Memory for pages, and of the page that begins at `at` in it the XOR of its lanes after their last two rounds. */
export interface LaneSums {
  readonly bytes: Uint8Array;
  sum(at: number): number;
}

/**
 * @param size bytes of memory for pages
 * @returns undefined where this processor or Node has no such vectors, or no room for the module's memory
 */
export function simdLaneSums(startValues: Int32Array, size = PAGE): LaneSums | undefined {
  const values = Math.ceil(size / 16) * 16;
  try {
    const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyInterface };
    const { memory, sum } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes(values))).exports as {
      memory: { readonly buffer: ArrayBuffer };
      sum(at: number): number;
    };
    new Int32Array(memory.buffer, values).set(startValues);
    return { bytes: new Uint8Array(memory.buffer, 0, size), sum };
  } catch {
    return undefined;
  }
}

// Opcodes and types of the WebAssembly core specification 2.0, sections 5.3 and 5.4.
const I32 = 0x7f;
const V128 = 0x7b;
const END = 0x0b;
const i32Const = (value: number): number[] => [0x41, ...signed(value)];
const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const tee = (local: number): number[] => [0x22, local];
const load = (offset: number): number[] => [0xfd, 0x00, 4, ...unsigned(offset)];
const XOR = [0xfd, 0x51];
const MULTIPLY = [0xfd, 0xb5, 0x01];
const SHIFT_RIGHT = [0xfd, 0xad, 0x01];
const SPLAT = [0xfd, 0x11];
const lane = (number: number): number[] => [0xfd, 0x1b, number];
const I32_XOR = 0x73;
const I32_ADD = 0x6a;

// The argument: the place in the page. Locals: the page's end, a vector in between, the prime in each lane, the sums.
const AT = 0;
const PAGE_END = 1;
const MIXED = 2;
const PRIME = 3;
const sumOf = (vector: number): number => 4 + vector;

/** With a vector to mix on the stack: `s = (v * 16777619) ^ (v >> 17)`. */
const mixInto = (vector: number): number[] => [
  ...tee(MIXED),
  ...get(PRIME),
  ...MULTIPLY,
  ...get(MIXED),
  ...i32Const(17),
  ...SHIFT_RIGHT,
  ...XOR,
  ...set(sumOf(vector)),
];

/** @param values where the start values of the lanes lie */
function moduleBytes(values: number): Uint8Array {
  const vectors = Array.from({ length: VECTORS }, (_, vector) => vector);
  const body = [
    // Locals: one i32, then vectors.
    ...[2, 1, I32, 2 + VECTORS, V128],
    ...[...i32Const(16777619), ...SPLAT, ...set(PRIME)],
    ...[...get(AT), ...i32Const(PAGE), I32_ADD, ...set(PAGE_END)],
    ...vectors.flatMap((v) => [...i32Const(0), ...load(values + 16 * v), ...set(sumOf(v))]),
    ...[0x03, 0x40], // loop
    ...vectors.flatMap((v) => [...get(AT), ...load(16 * v), ...get(sumOf(v)), ...XOR, ...mixInto(v)]),
    ...[...get(AT), ...i32Const(ROW), I32_ADD, ...tee(AT), ...get(PAGE_END), 0x47, 0x0d, 0, END], // while (AT += ROW) != PAGE_END
    ...vectors.flatMap((v) => [...get(sumOf(v)), ...mixInto(v), ...get(sumOf(v)), ...mixInto(v)]),
    ...vectors.flatMap((v) => (v === 0 ? get(sumOf(v)) : [...get(sumOf(v)), ...XOR])),
    ...set(MIXED),
    ...[0, 1, 2, 3].flatMap((n) => [...get(MIXED), ...lane(n), ...(n === 0 ? [] : [I32_XOR])]),
    END,
  ];
  const memory = unsigned(Math.ceil((values + ROW) / 65536));
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 1, I32, 1, I32]), // one type: (i32) -> i32
    ...section(3, [1, 0]),
    ...section(5, [1, 1, ...memory, ...memory]), // one memory, in pages of 64 KiB
    ...section(7, [2, ...exported('memory', 2), ...exported('sum', 0)]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

function section(id: number, bytes: number[]): number[] {
  return [id, ...unsigned(bytes.length), ...bytes];
}

function exported(name: string, kind: number): number[] {
  return [name.length, ...Buffer.from(name), kind, 0];
}

function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const rest = value >> 7;
  const done = (rest === 0 && (value & 64) === 0) || (rest === -1 && (value & 64) !== 0);
  return done ? [value & 127] : [(value & 127) | 128, ...signed(rest)];
}
