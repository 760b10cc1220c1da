// The target's tree and raw files: names, modes, what is hidden, newest copies.

import fs from 'node:fs';
import t from 'tap';
import { backupIdOf, openRaw, type RawSource, readRaw, verifyRaw } from '../../src/backup/index.js';
import { type BackupSpec, type FileSpec, startTime } from '../support/catalog-writer.js';
import { openSynthetic } from '../support/synthetic.js';

function chain(...members: FileSpec[][]): BackupSpec[] {
  return members.map((files, n) => ({
    start: startTime(n),
    mode: n === 0 ? 'FULL' : 'DELTA',
    ...(n === 0 ? {} : { parent: startTime(n - 1) }),
    files,
  }));
}

const unchanged = (path: string): FileSpec => ({ path, unchanged: 'raw' });

t.test('only what the target lists is there, with the modes of the list (trap 2, trap 13)', (t) => {
  const { reader } = openSynthetic(
    t.testdir({}),
    chain(
      [
        { path: 'gone', content: 'x' },
        { path: 'pg_xact', dir: true },
        { path: 'pg_xact/0000', content: 'x' },
        { path: 'base/6', dir: true },
      ],
      [
        { path: 'pg_xact', dir: true, mode: 0o40750 },
        { path: 'secret', content: 'x', mode: 0o100640 },
        { path: 'setuid', content: 'x', mode: 0o104755 },
        { path: 'tablespace_map', content: '1 /x\n', mode: 0o100644 },
        { path: 'database_map', content: '{}', mode: 0o100644 },
        { path: 'backup_label', content: 'START', mode: 0o100644 },
        { path: 'sub/tablespace_map', content: 'x' },
        { path: 'outside', content: 'x', externalDir: 1 },
      ],
    ),
  );
  const shown = [...reader.entries()].map(({ path, mode, kind }) => `${path} ${mode.toString(8)} ${kind}`);
  t.same(shown, [
    'pg_xact 40750 dir',
    'secret 100640 raw',
    'setuid 104755 raw',
    'backup_label 100644 raw',
    'sub/tablespace_map 100600 raw',
  ]);
  t.throws(() => reader.resolve('tablespace_map'), { code: 'backup_not_found' });
  t.throws(() => reader.resolve('outside'), { code: 'backup_not_found' });
  t.throws(() => reader.resolve('pg_xact'), { code: 'backup_not_found' });
  t.end();
});

t.test('raw files: own copy, newest copy, empty (trap 3, trap 9)', (t) => {
  const { read, reader } = openSynthetic(
    t.testdir({}),
    chain(
      [
        { path: 'a', content: 'a0' },
        { path: 'base/5/1_vm', content: 'v0' },
        { path: 'base/5/1_init', content: 'i0' },
        { path: 'c', content: 'c0' },
        { path: 'd', content: '' },
      ],
      [
        unchanged('a'),
        { path: 'base/5/1_vm', content: 'v1v1' },
        unchanged('base/5/1_init'),
        { path: 'c', content: '' },
        unchanged('d'),
      ],
      [unchanged('a'), unchanged('base/5/1_vm'), unchanged('base/5/1_init'), unchanged('c'), unchanged('d')],
    ),
  );
  t.same(
    ['a', 'base/5/1_vm', 'base/5/1_init', 'c', 'd'].map((name) => read(name).toString()),
    ['a0', 'v1v1', 'i0', '', ''],
  );
  t.same(
    [...reader.entries()].map((entry) => entry.size),
    [2, 4, 2, 0, 0],
  );
  t.match(reader.resolve('a'), { kind: 'raw', layer: 0 });
  t.match(reader.resolve('base/5/1_vm'), { layer: 1, size: 4 });
  t.match(reader.resolve('d'), { file: null, size: 0 });
  t.end();
});

t.test('broken chains of a raw file are errors (trap 3)', (t) => {
  const refused = (members: FileSpec[][], message: RegExp) => {
    const { reader } = openSynthetic(t.testdir({}), chain(...members));
    t.throws(() => reader.resolve('f'), { code: 'backup_damaged', message });
    t.throws(() => [...reader.entries()], { code: 'backup_damaged', message });
  };
  const other: FileSpec = { path: 'other', content: 'x' };
  refused([[unchanged('f')]], /FULL/);
  refused([[other], [unchanged('f')]], /does not list it/);
  refused([[{ path: 'f', content: 'x' }], [other], [unchanged('f')]], /does not list it/);
  refused([[{ path: 'f', dir: true }], [unchanged('f')]], /plain file/);
  refused([[{ path: 'f', content: 'x' }], [{ path: 'f', unchanged: 'raw', keys: { crc: 12345 } }]], /CRC/);
  t.end();
});

t.test('stored copies: shorter is an error, longer is cut, other bytes fail verification', (t) => {
  const { root, reader } = openSynthetic(t.testdir({}), chain([{ path: 'f', content: 'hello world' }]));
  const file = `${root}/backups/main/${backupIdOf(startTime(0))}/database/f`;
  const source = reader.resolve('f') as RawSource;
  verifyRaw(source);
  const fd = openRaw(source)!;
  const out = Buffer.alloc(20, '.');
  t.equal(readRaw(source, fd, 6, 20, out, 1), 5);
  t.equal(out.toString(), '.world..............');
  t.equal(readRaw(source, fd, 11, 5, out, 0), 0);
  fs.writeFileSync(file, 'hello world and more');
  t.equal(readRaw(source, fd, 0, 20, out, 0), 11, 'the list is right');
  fs.writeFileSync(file, 'hello');
  t.throws(() => readRaw(source, fd, 0, 20, out, 0), { code: 'page_damaged', message: /byte 5/ });
  t.throws(() => openRaw(source), { code: 'page_damaged', message: /5 bytes, 11 are listed/ });
  fs.writeFileSync(file, 'hello wOrld');
  t.throws(() => verifyRaw(source), { code: 'page_damaged', message: /CRC/ });
  fs.closeSync(fd);
  t.end();
});

t.test('a damaged pg_control is said to be damaged, not to be short', (t) => {
  const path = 'global/pg_control';
  const { root, reader } = openSynthetic(t.testdir({}), chain([{ path, content: 'c'.repeat(8192) }]));
  const source = reader.resolve(path) as RawSource;
  verifyRaw(source);
  fs.writeFileSync(`${root}/backups/main/${backupIdOf(startTime(0))}/database/${path}`, 'd'.repeat(8192));
  t.throws(() => verifyRaw(source), { code: 'page_damaged', message: /its content does not have the CRC in it/ });
  t.end();
});

t.test('names are bytes all the way to the stored file (trap 10)', (t) => {
  const names = [
    'lat\xefn',
    'quo"te',
    'com,ma',
    'new\nline',
    'back\\slash',
    Buffer.from('日本').toString('latin1'),
    'a", "size":"1',
  ];
  const { read, reader } = openSynthetic(
    t.testdir({}),
    chain(names.map((path) => ({ path: `dir/${path}`, content: path }))),
  );
  for (const name of names) t.equal(read(`dir/${name}`).toString(), name);
  t.same(
    [...reader.entries()].map((entry) => entry.path),
    names.map((name) => `dir/${name}`),
  );
  t.end();
});

t.test('tablespaces by tablespace_map, escapes of PostgreSQL undone', (t) => {
  const open = (content: string, keys = {}) =>
    openSynthetic(t.testdir({}), chain([{ path: 'tablespace_map', content, keys }])).reader;
  t.same(
    [...open('16477 /tmp/w/ts m1\n16999 /od\\\nd\\\\x\n').tablespaces()],
    [
      ['16477', '/tmp/w/ts m1'],
      ['16999', '/od\nd\\x'],
    ],
  );
  t.same([...openSynthetic(t.testdir({}), chain([{ path: 'f', content: 'x' }])).reader.tablespaces()], []);
  t.throws(() => open('16477 /x\n', { crc: 1 }).tablespaces(), { code: 'page_damaged' });
  t.end();
});
