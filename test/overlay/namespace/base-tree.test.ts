// The tree of a backup: every listed name, made-up parents, tablespaces behind links.

import t from 'tap';
import type { TreeEntry } from '../../../src/backup/index.js';
import { BaseTree } from '../../../src/overlay/namespace/base-tree.js';

const file = (path: string): TreeEntry => ({ path, mode: 0o100640, size: 5, kind: 'raw' });
const dir = (path: string, mode = 0o40750): TreeEntry => ({ path, mode, size: 0, kind: 'dir' });

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
