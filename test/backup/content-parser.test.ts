// backup_content.control: lines that look like JSON and are not.

import fc from 'fast-check';
import t from 'tap';
import { compressAlgs } from '../../src/backup/codec/names.js';
import { type ContentList, UNCHANGED, UNKNOWN_BLOCKS } from '../../src/backup/content-list.js';
import { parseContentList } from '../../src/backup/content-parser.js';

const line = (path: string, tail = '') =>
  `{"path":"${path}", "size":"7", "mode":"33152", "is_datafile":"0", "is_cfs":"0", "crc":"99", "compress_alg":"none", "external_dir_num":"0", "dbOid":"0"${tail}}\n`;
const parse = (text: string): ContentList => parseContentList(Buffer.from(text, 'latin1'), 'ID');
const paths = (list: ContentList) => Array.from({ length: list.count }, (_, row) => list.path(row));

t.test('a line of a data file', (t) => {
  const list = parse(
    '{"path":"base/5/16384.2", "size":"3203", "mode":"33152", "is_datafile":"1", "is_cfs":"0", "crc":"3335103855", "compress_alg":"pglz", "external_dir_num":"0", "dbOid":"5","full_size":"368640","segno":"2","n_blocks":"61","n_headers":"45","hdr_crc":"665288230","hdr_off":"171","hdr_size":"286"}\n',
  );
  t.equal(list.find('base/5/16384.2'), 0);
  t.equal(list.find('base/5/16384'), -1);
  t.equal(list.find('base/5/16384.2', 1), -1);
  t.ok(list.isDatafile(0));
  t.same(
    [list.size[0], list.crc[0], compressAlgs[list.entry(0).alg], list.segno(0), list.nBlocks[0], list.nHeaders[0]],
    [3203, 3335103855, 'pglz', 2, 61, 45],
  );
  t.same([list.headerCrc[0], list.headerOff[0], list.headerSize[0]], [665288230, 171, 286]);
  t.end();
});

t.test('defaults of missing keys', (t) => {
  const list = parse('{"path":"x.3", "size":"1", "mode":"33152", "is_datafile":"1", "crc":"1", "compress_alg":"zl"}');
  t.same(
    [list.nBlocks[0], list.nHeaders[0], list.externalDir(0), compressAlgs[list.entry(0).alg]],
    [UNKNOWN_BLOCKS, 0, 0, 'zlib'],
  );
  t.equal(list.segno(0), 3, 'an old list without segno: by the name');
  t.end();
});

t.test('a file that vanished while it was backed up is not listed', (t) => {
  const gone = (path: string) => line(path).replace('"size":"7"', '"size":"-2"');
  t.same(paths(parse(line('a') + gone('b') + line('b') + gone('b') + line('c'))), ['a', 'b', 'c']);
  t.equal(parse(gone('a')).count, 0);
  t.end();
});

t.test('odd names are bytes (trap 10)', (t) => {
  const names = [
    'back\\slash',
    'lat\xefn',
    'com,ma',
    'quo"te',
    'a", "size":"1',
    'new\nline',
    '{"path":"x',
    'braces}',
    '\u00c3\u00a9',
    "it's",
  ];
  const list = parse(names.map((name) => line(name)).join(''));
  t.same(paths(list), names);
  for (const [row, name] of names.entries()) t.equal(list.find(name), row);
  t.same(
    [...list.size.subarray(0, names.length)],
    names.map(() => 7),
  );
  t.end();
});

t.test('link text may hold quotes and what looks like keys', (t) => {
  const list = parse(
    line('a', ',"linked":"/x "quoted"","n_blocks":"3"') +
      line('b', ',"linked":"/y","n_headers":"0"') +
      line('c', ',"linked":"/z"}"'),
  );
  t.same(paths(list), ['a', 'b', 'c']);
  t.equal(list.nBlocks[0], 3);
  t.end();
});

t.test('sizes: unchanged, overflow of very old lists, unknown keys', (t) => {
  t.equal(parse(line('a').replace('"7"', '"-1"')).size[0], UNCHANGED);
  t.equal(parse(line('a').replace('"7"', '"18446744073709551615"')).size[0], UNCHANGED);
  t.equal(parse(line('a', ',"kind":"reg","future":"thing"')).count, 1);
  t.end();
});

t.test('same path in PGDATA and in external directories', (t) => {
  const list = parse(line('f') + line('f').replace('dir_num":"0"', 'dir_num":"2"'));
  t.same([list.find('f'), list.find('f', 1), list.find('f', 2)], [0, -1, 1]);
  t.end();
});

t.test('damaged lists are refused with the line', (t) => {
  const refused = (text: string, message: RegExp) => t.throws(() => parse(text), { code: 'backup_damaged', message });
  refused('', /empty/);
  refused(line('a') + line('b').slice(0, 60), /line 2/);
  refused(line('a') + line('b').slice(0, -2), /line 2.*brace/);
  refused(`${line('a')}\n${line('b')}`, /line 2/);
  refused(line('a').replace('"size":"7"', '"size":"x"'), /line 1/);
  refused(line('a').replace('"7"', '"-3"'), /bad size/);
  refused(line('a').replace('"crc":"99", ', ''), /lacks/);
  refused(line('a').replace(', "compress_alg":"none"', ''), /lacks/);
  refused(line('a').replace('"99"', '99'), /unquoted/);
  refused(line('a').replace('33152', '384'), /neither file nor directory/);
  refused(line('same') + line('same'), /line 2.*second time.*same/);
  refused(line('two\nlines') + line('x').slice(0, 50), /line 3/);
  t.end();
});

t.test('a database_map of PGDATA beside that of the backup', (t) => {
  const map = line('database_map');
  t.same(paths(parse(map + line('f') + map)), ['database_map', 'f']);
  t.same(
    paths(parse(map + line('f') + map.replace('"crc":"', '"kind":"x", "crc":"'))),
    ['database_map', 'f'],
    'an odd line',
  );
  t.throws(() => parse(line('base/database_map') + line('base/database_map')), { message: /second time/ });
  t.end();
});

t.test('paths that would leave the backup are refused', (t) => {
  for (const path of ['/etc/passwd', '../x', 'a/../../x', 'a//b', './a', '', 'a/', 'a/.', 'nul\0']) {
    t.throws(() => parse(line(path)), { code: 'backup_damaged' }, path);
  }
  t.same(paths(parse(line('..a/b..') + line('...'))), ['..a/b..', '...']);
  t.end();
});

t.test('a link entry of an old list is a tablespace directory, nothing else', (t) => {
  const list = parse(line('pg_tblspc/16400').replace('33152', '41471'));
  t.ok(list.isDirectory(0));
  t.throws(() => parse(line('base/link').replace('33152', '41471')), { code: 'backup_damaged' });
  t.end();
});

t.test('any set of names and numbers comes back as written', (t) => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 30 })
    .map((bytes) => `p${Buffer.from(bytes).toString('latin1').replace(/[/\0]/g, '_')}`)
    // A newline behind a closing brace, or before what starts an entry, cannot be told from the end of a line.
    .filter((text) => !/\}\n|\n\{"path":"/.test(text));
  const row = fc.record({
    name,
    size: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
    crc: fc.nat(0xffffffff),
    nBlocks: fc.option(fc.integer({ min: 1, max: 131072 })),
    external: fc.nat(3),
  });
  const rows = fc.uniqueArray(row, { selector: (r) => `${r.external}/${r.name}`, minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(rows, (rows) => {
      const text = rows
        .map(
          (r) =>
            `{"path":"${r.name}", "size":"${r.size}", "mode":"33188", "is_datafile":"1", "is_cfs":"0", "crc":"${r.crc}", "compress_alg":"none", "external_dir_num":"${r.external}", "dbOid":"1"${r.nBlocks === null ? '' : `,"n_blocks":"${r.nBlocks}"`}}\n`,
        )
        .join('');
      const list = parse(text);
      if (list.count !== rows.length) return false;
      return rows.every(
        (r, i) =>
          list.find(r.name, r.external) === i &&
          list.path(i) === r.name &&
          list.size[i] === r.size &&
          list.crc[i] === r.crc &&
          list.nBlocks[i] === (r.nBlocks ?? UNKNOWN_BLOCKS),
      );
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test('random damage is either refused as damage or leaves a consistent list', (t) => {
  const original = Buffer.from(line('base/1/1') + line('base/1/2', ',"segno":"0"') + line('pg_wal'), 'latin1');
  fc.assert(
    fc.property(fc.nat(original.length - 1), fc.nat(255), (at, byte) => {
      const bytes = Buffer.from(original);
      bytes[at] = byte;
      try {
        const list = parseContentList(bytes, 'ID');
        return paths(list).every((path, row) => list.find(path, list.externalDir(row)) === row);
      } catch (error) {
        return (error as { code?: string }).code === 'backup_damaged';
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});
