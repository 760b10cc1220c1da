// How long an inode and its object live: while a name or the kernel has the inode, and until the journal says otherwise.

import t from 'tap';
import { Inode } from '../../../src/overlay/namespace/inode.js';
import { Lifetimes } from '../../../src/overlay/namespace/lifetimes.js';
import type { Rows } from '../../../src/overlay/namespace/rows.js';
import type { Tree } from '../../../src/overlay/namespace/tree.js';
import { emptyAttributes } from '../../../src/overlay/shared/attributes.js';
import { rowFlag } from '../../../src/overlay/shared/row-layout.js';

/** A file made on the mount, with an object and one name. */
function file(): Inode {
  const inode = new Inode({ ...emptyAttributes(), mode: 0o100600 }, null, null, 1);
  inode.objectId = 'object';
  inode.flags = rowFlag.object;
  return inode;
}

function lifetimes(root = file()): { lives: Lifetimes; said: unknown[] } {
  const said: unknown[] = [];
  const tree = { root, forget: () => void said.push('forgotten') } as unknown as Tree;
  const rows = { attach: () => void said.push('row'), detach: () => void said.push('no row') } as unknown as Rows;
  const objects = { removeAfter: (...args: unknown[]) => void said.push(args) };
  const releaseRow = (): void => void said.push('memory of the row');
  const releaseDiffState = (_: Inode, state: number): void => void said.push(`block map ${state}`);
  const owners = { objects, heldBlocks: () => 7, releaseRow, releaseDiffState };
  return { lives: new Lifetimes(tree, rows, owners as unknown as ConstructorParameters<typeof Lifetimes>[2]), said };
}

t.test('without a name and without a reference it goes, and its object after the record that says so', async (t) => {
  const { lives, said } = lifetimes();
  const inode = file();
  inode.links = 0;
  inode.diffState = 99;
  lives.lostName(inode);
  lives.settle(42);
  t.strictSame(said, [['object', 42, 7], 'block map 99', 'forgotten']);
  t.match(inode, { objectId: null, diffState: 0 });
});

t.test('what has no object, as a directory, goes without one', async (t) => {
  const { lives, said } = lifetimes();
  const inode = new Inode({ ...emptyAttributes(), mode: 0o040700 }, null, null, 1);
  inode.links = 0;
  lives.lostName(inode);
  lives.settle(42);
  t.strictSame(said, ['forgotten']);
});

t.test('of a file that has a name the kernel may forget everything', async (t) => {
  const { lives, said } = lifetimes();
  const inode = file();
  inode.diffState = 99;
  lives.reference(inode);
  lives.forget(inode, 1);
  t.strictSame(said, ['row', 'memory of the row', 'no row', 'forgotten']);
  t.match(inode, { objectId: 'object', diffState: 99 });
});

t.test('an unlinked file that is open keeps its object until the last reference is given back', async (t) => {
  const { lives, said } = lifetimes();
  const inode = file();
  lives.reference(inode);
  lives.reference(inode);
  inode.links = 0;
  lives.lostName(inode);
  lives.settle(42);
  lives.settle(43);
  lives.forget(inode, 1);
  t.strictSame(said, ['row', 'row'], 'still there');
  lives.forget(inode, 1);
  t.strictSame(
    said.slice(2),
    ['memory of the row', 'no row', ['object', 43, 7], 'forgotten'],
    'after the newest record',
  );
});

t.test('a name that was only exchanged for another takes nothing away', async (t) => {
  const { lives, said } = lifetimes();
  const inode = file();
  lives.lostName(inode);
  lives.settle(42);
  t.strictSame(said, []);
  inode.links = 0;
  lives.settle(43);
  t.strictSame(said, [], 'what lost a name in an earlier record is not looked at again');
});

t.test('the root stays, however often the kernel forgets it', async (t) => {
  const root = file();
  const { lives, said } = lifetimes(root);
  lives.forget(root, 5);
  t.strictSame(said, []);
});
