// Content lists for tests of their readers: random ones, from well-formed to hostile.

import fc from 'fast-check';

export interface LineSpec {
  readonly path: string;
  readonly size?: number;
  readonly mode?: number;
  readonly isDatafile?: boolean;
  readonly externalDir?: number;
  readonly alg?: string;
  readonly crc?: number;
  /** Behind dbOid. */
  readonly tail?: string;
}

/** A line as pg_probackup 2.5 writes it. */
export function listLine(spec: LineSpec): string {
  const {
    path,
    size = 7,
    mode = 0o100600,
    isDatafile = true,
    externalDir = 0,
    alg = 'none',
    crc = 99,
    tail = '',
  } = spec;
  return `{"path":"${path}", "size":"${size}", "mode":"${mode}", "is_datafile":"${isDatafile ? 1 : 0}", "is_cfs":"0", "crc":"${crc}", "compress_alg":"${alg}", "external_dir_num":"${externalDir}", "dbOid":"5"${tail}}\n`;
}

const usualName = fc.constantFrom(
  'PG_VERSION',
  'base/1/1',
  'base/1/2',
  'base/1/2.1',
  'base/5/16384',
  'global/1',
  'a/b/c/d',
  'x',
);
const anyName = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .map((bytes) => `n${Buffer.from(bytes).toString('latin1').replace(/[/\0]/g, '_')}`);
const oddName = fc.constantFrom(
  ...[
    'quo"te',
    'new\nline',
    'a", "size":"1',
    '{"path":"x',
    'brace}',
    '.dot',
    'd/.dot',
    '/abs',
    'a//b',
    'a/',
    '',
    '..',
    'nul\0',
  ],
);

const tailKey = fc.oneof(
  fc
    .constantFrom('segno', 'n_blocks', 'n_headers', 'hdr_crc', 'hdr_off', 'hdr_size', 'full_size')
    .chain((key) =>
      fc
        .oneof(
          { weight: 8, arbitrary: fc.nat(0x7fffffff).map(String) },
          { weight: 1, arbitrary: fc.constantFrom('0', '007', '-1', '-5', '', 'x', '4294967295', '4294967296') },
          { weight: 1, arbitrary: fc.constantFrom('999999999999999', '9007199254740991', '18446744073709551615') },
        )
        .map((value) => `,"${key}":"${value}"`),
    ),
  fc.constantFrom(
    ',"linked":"/a "b" c"',
    ', "n_blocks":"4"',
    ',"kind":"reg"',
    ',"size":"1"',
    ',"n_blocks": "4"',
    ',"x":1',
    ',',
  ),
);

const spec: fc.Arbitrary<LineSpec> = fc.record({
  path: fc.oneof(
    { weight: 6, arbitrary: usualName },
    { weight: 3, arbitrary: anyName },
    { weight: 1, arbitrary: oddName },
  ),
  size: fc.oneof(fc.constantFrom(-1, 0, -2), fc.nat(), fc.constantFrom(Number.MAX_SAFE_INTEGER, 2 ** 40)),
  mode: fc.constantFrom(0o100600, 0o100600, 0o100600, 0o40700, 0o120777, 0o600),
  isDatafile: fc.boolean(),
  externalDir: fc.constantFrom(0, 0, 0, 1),
  alg: fc.constantFrom('none', 'zlib', 'pglz', 'zst', 'brotli', ''),
  crc: fc.constantFrom(0, 1, 0xffffffff, 0x100000000),
  tail: fc.array(tailKey, { maxLength: 4 }).map((keys) => keys.join('')),
});

/** Lines of one list, each path once, most of them as pg_probackup would write them. */
export const soundLines: fc.Arbitrary<string[]> = fc
  .uniqueArray(
    fc.record({
      path: fc.oneof(usualName, anyName),
      size: fc.constantFrom(-1, 0, 1234, 2 ** 40),
      isDatafile: fc.boolean(),
      alg: fc.constantFrom('none', 'zlib', 'pglz', 'lz4', 'zstd'),
      crc: fc.nat(0xffffffff),
      externalDir: fc.constantFrom(0, 0, 0, 2),
      tail: fc
        .subarray([
          ',"segno":"3"',
          ',"n_blocks":"61"',
          ',"n_headers":"45"',
          ',"hdr_crc":"665288230","hdr_off":"171","hdr_size":"286"',
          ',"hdr_off":"-171","hdr_size":"-2"',
        ])
        .map((keys) => keys.join('')),
    }),
    { selector: ({ path, externalDir }) => `${externalDir}/${path}`, maxLength: 20 },
  )
  .map((lines) => lines.filter(({ path }) => !/\}\n|\n\{"path":"/.test(path)).map(listLine));

/** The bytes of a list that may be damaged in any way. */
export const hostileList: fc.Arbitrary<Buffer> = fc
  .tuple(
    soundLines,
    fc.oneof(fc.constant([]), fc.array(spec.map(listLine), { minLength: 1, maxLength: 3 })),
    fc.option(fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.option(fc.nat(), { freq: 3 }) }), { freq: 2 }),
  )
  .map(([sound, lines, damage]) => {
    const bytes = Buffer.from([...sound.slice(0, 3), ...lines, ...sound.slice(3)].join(''), 'latin1');
    if (damage === null || bytes.length === 0) return bytes;
    bytes[damage.at % bytes.length] = damage.byte;
    return damage.cut === null ? bytes : bytes.subarray(0, damage.cut % bytes.length);
  });
