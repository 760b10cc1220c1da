// The tree of a backup: every listed name, made-up parents, tablespaces behind links.

import t from 'tap';
import type { TreeEntry } from '../../../src/backup/index.js';
import { PathTable } from '../../../src/backup/lists/path-table.js';
import type { BaseFiles } from '../../../src/overlay/namespace/base-files.js';
import { BaseTree as Tree } from '../../../src/overlay/namespace/base-tree.js';

const file = (path: string): TreeEntry => ({ path, mode: 0o100640, size: 5, kind: 'raw' });
const dir = (path: string, mode = 0o40750): TreeEntry => ({ path, mode, size: 0, kind: 'dir' });

class BaseTree extends Tree<object> {
  constructor(entries: readonly TreeEntry[], tablespaces: ReadonlyMap<string, string>) {
    super(filesOf(entries), tablespaces);
  }
}

function filesOf(entries: readonly TreeEntry[]): BaseFiles {
  const paths = PathTable.empty(0);
  for (const { path } of entries) paths.add(Buffer.from(path, 'latin1'), 0, path.length);
  return {
    paths,
    isChecked: false,
    kind: (number) => entries[number]!.kind,
    mode: (number) => entries[number]!.mode,
    size: (number) => entries[number]!.size,
  };
}

t.test('names have their mode and number, whatever the order of the list', async (t) => {
  const tree = new BaseTree([file('base/1/2'), dir('base/1', 0o40700), dir('base'), file('a')], new Map());
  t.equal(tree.find('base')?.mode, 0o40750);
  t.equal(tree.find('base/1')?.mode, 0o40700);
  t.equal(tree.find('base/1/2')?.size, 5);
  t.equal(tree.find('base/1/2')?.sourcePath, 'base/1/2');
  t.equal(tree.find(''), tree.root);
  t.equal(tree.root.mode, 0o40700);
  t.equal(tree.find('base/2'), null);
  t.equal(tree.find('a/b'), null);
  const numbers = ['', 'base', 'base/1', 'base/1/2', 'a'].map((path) => tree.find(path)!.ino);
  t.equal(new Set(numbers).size, 5);
});

t.test('a directory the list leaves out is made up', async (t) => {
  const tree = new BaseTree([file('x/y/z')], new Map());
  t.equal(tree.find('x/y')?.mode, 0o40700);
  t.equal(tree.find('x/y')?.subdirectories(), 0);
  t.equal(tree.find('x')?.subdirectories(), 1);
});

t.test('a tablespace is a relative link into the hidden directory, and keeps its listed paths', async (t) => {
  const path = 'pg_tblspc/16385/PG_15/5/300';
  const entries = [dir('pg_tblspc'), dir('pg_tblspc/16385'), file(path)];
  const tree = new BaseTree(entries, new Map([['16385', '/production']]));
  const link = tree.root.children!.get('pg_tblspc')!.children!.get('16385')!;
  t.equal(link.kind, 'symlink');
  t.equal(link.alias, '../.pbkfs/tablespaces/16385');
  t.equal(tree.find(path)?.sourcePath, path);
  t.equal(tree.find('pg_tblspc/16385')?.kind, 'dir', 'the listed path is the directory');
  t.equal(tree.find('pg_tblspc/16385')?.sourcePath, 'pg_tblspc/16385');
  t.not(link.sourcePath, 'pg_tblspc/16385', 'and the link is told apart from it');
  t.equal(tree.find(link.sourcePath), link);
  t.equal(tree.root.subdirectories(), 1, 'the hidden directory does not count');
});

t.test('an empty tablespace of the map has its link and directory, too', async (t) => {
  const tree = new BaseTree([dir('pg_tblspc')], new Map([['7', '/x']]));
  t.equal(tree.find('pg_tblspc/7')?.kind, 'dir');
});

t.test('a directory holds its files and directories, each once', async (t) => {
  const names = Array.from({ length: 300 }, (_, n) => `d/${n}`);
  const tree = new BaseTree([...names.map(file), dir('d'), dir('d/x'), file('d/x/1'), file('1')], new Map());
  const { children } = tree.find('d')!;
  const listed = [...children!].map(([name]) => name);
  t.same(listed.sort(), [...names.map((name) => name.slice(2)), 'x'].sort());
  t.ok(listed.every((name) => children!.has(name) && children!.get(name)!.name === name));
  t.equal(children!.get('301'), undefined);
  t.notOk(children!.has('d'));
  t.same([...tree.root.children!].map(([name]) => name).sort(), ['.pbkfs', '1', 'd']);
  const numbers = [...children!].map(([, node]) => node.ino);
  t.equal(new Set([...numbers, ...[...tree.root.children!].map(([, node]) => node.ino)]).size, 304);
});

t.test('a node of a file is the same one for as long as it has an inode', async (t) => {
  const tree = new BaseTree([file('a/b')], new Map());
  const node = tree.find('a/b')!;
  const inode = {};
  node.inode = inode;
  t.equal(tree.find('a/b'), node);
  t.equal([...tree.find('a')!.children!][0]![1].inode, inode);
  node.inode = null;
  t.equal(tree.find('a/b')?.inode, null);
});

t.test('a name that is a file and a directory at once is refused', async (t) => {
  const refused = { code: 'backup_damaged', message: /lists a as a file/ };
  for (const below of [file('a/b'), file('a/b/c'), dir('a/b')]) {
    t.throws(() => new BaseTree([file('a'), below], new Map()), refused);
    t.throws(() => new BaseTree([below, file('a')], new Map()), refused);
  }
});

t.test('a list that names what mounts make up loses nothing', async (t) => {
  const paths = ['.pbkfs/tablespaces/7/a', 'pg_tblspc/7/b', '.pbkfs/c', 'pg_tblspc/7/a', 'pg_tblspc/8'];
  const tablespaces = new Map([
    ['7', '/x'],
    ['8', '/y'],
  ]);
  const tree = new BaseTree(paths.map(file), tablespaces);
  t.same([...tree.find('pg_tblspc/7')!.children!].map(([name]) => name).sort(), ['a', 'b']);
  t.ok(tree.find('.pbkfs/c'));
  t.equal(tree.root.children!.get('pg_tblspc')!.children!.get('8')!.kind, 'symlink');
  t.equal(tree.find('pg_tblspc/8')?.kind, 'dir');
});
