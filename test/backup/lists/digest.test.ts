// A digest gives back what was read, or nothing at all: torn, foreign or of lists that have changed since, it is no digest.

import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { openKeptChain } from '../../../src/backup/chain-reader.js';
import { crc32c } from '../../../src/backup/crc.js';
import { readChainLists } from '../../../src/backup/lists/chain-lists.js';
import { writeDigestFile } from '../../../src/backup/lists/digest-file.js';
import { DigestStore } from '../../../src/backup/lists/digest-store.js';
import { identifyLists, isSettled } from '../../../src/backup/lists/list-identity.js';
import type { BackupInfo, Chain } from '../../../src/backup/types.js';
import { listLine } from '../../support/list-text.js';

const root = t.testdir();
const listOf = (backup: { directory: string }): string => join(backup.directory, 'backup_content.control');

function writeChain(name: string, files = 200): Chain {
  const members = [0, 1, 2].map((layer) => {
    const directory = join(root, name, `B${layer}`);
    mkdirSync(directory, { recursive: true });
    const lines = Array.from({ length: files }, (_, n) =>
      listLine({
        path: `base/${n % 3}/${n}`,
        size: layer > 0 && n % 4 > 0 ? -1 : n,
        tail: `,"segno":"0","n_blocks":"${n + 1}"`,
      }),
    );
    const bytes = Buffer.from(lines.join(''));
    writeFileSync(join(directory, 'backup_content.control'), bytes);
    return { id: `B${layer}`, directory, contentCrc: crc32c(bytes) } as BackupInfo;
  });
  return { instance: 'main', target: members.at(-1)!, members, passedOver: [] };
}

/** Until a change of each would show in the times of its lists. */
async function settled(...chains: Chain[]): Promise<void> {
  for (const chain of chains) while (!isSettled(identifyLists(chain)!, Date.now())) await sleep(50);
}

// Made and waited for together: that takes seconds.
const changes: Record<string, (list: string) => void> = {
  'another time': (list) => utimesSync(list, 1, 1),
  'the same bytes in another file': (list) => {
    copyFileSync(list, `${list}.new`);
    renameSync(`${list}.new`, list);
  },
  'the same length, times set back': (list) => {
    const { atime, mtime } = statSync(list);
    writeFileSync(list, readFileSync(list));
    utimesSync(list, atime, mtime);
  },
  gone: (list) => rmSync(list),
};
const changing = new Map(Object.keys(changes).map((name) => [name, writeChain(name)]));
const chains = {
  whole: writeChain('whole'),
  other: writeChain('another CRC'),
  damaged: writeChain('damaged', 20),
  foreign: writeChain('foreign'),
  many: writeChain('many', 5),
};
t.before(() => settled(...changing.values(), ...Object.values(chains)));

let stores = 0;

/** A store with a digest of the chain. */
function stored(chain: Chain): { store: DigestStore; directory: string; file: string } {
  const directory = join(root, `cache-${stores++}`);
  const store = new DigestStore(directory, 1);
  store.keep(store.identify(chain)!, chain, readChainLists(chain).lists);
  store.settle();
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return { store, directory, file: join(directory, names[0] ?? 'none') };
}

const found = (store: DigestStore, chain: Chain) => {
  const identity = store.identify(chain);
  return identity === undefined ? undefined : store.find(identity, chain);
};

t.test('what was read comes back', async (t) => {
  const chain = chains.whole;
  const { store, directory, file } = stored(chain);
  t.same(readdirSync(directory).length, 1);
  t.equal(statSync(directory).mode & 0o777, 0o700);
  t.equal(statSync(file).mode & 0o777, 0o600);
  const { lists } = readChainLists(chain);
  const kept = found(store, chain)!;
  t.same(kept.data.lists, lists.data.lists);
  t.same(kept.data.modes, lists.data.modes);
  for (let n = 0; n < lists.paths.count; n++) {
    const path = lists.paths.path(n);
    if (kept.paths.path(n) !== path || kept.paths.number(path) !== n) t.fail(path);
  }
  t.equal(kept.paths.number('base/9/9'), -1);
  const opened = openKeptChain(chain, store);
  const plain = openKeptChain(chain, new DigestStore(join(root, 'none'), 1));
  t.ok(opened.reader.isChecked);
  t.notOk(plain.reader.isChecked);
  t.same([...opened.reader.entries()], [...plain.reader.entries()]);
  for (const { path } of opened.reader.entries()) {
    if (!isDeepStrictEqual(opened.reader.resolve(path), plain.reader.resolve(path))) t.fail(path);
  }
});

t.test('lists that have changed in any way are read', async (t) => {
  for (const [name, chain] of changing) {
    const { store } = stored(chain);
    t.ok(found(store, chain), `${name}: before`);
    changes[name]!(listOf(chain.members[1]!));
    t.equal(found(store, chain), undefined, name);
  }
  const { other } = chains;
  const { store } = stored(other);
  const members = other.members.map((member) => ({ ...member, contentCrc: member.contentCrc ^ 1 }));
  t.equal(found(store, { ...other, members, target: members[2]! }), undefined, 'backup.control says something else');
  t.equal(found(store, { ...other, members: other.members.slice(1) }), undefined, 'another chain');
  const unknown = other.members.map((member) => ({ ...member, contentCrc: 0 }));
  t.equal(store.identify({ ...other, members: unknown }), undefined, 'nothing vouches for the content');
});

t.test('no digest is made of lists that have just been written', async (t) => {
  const chain = writeChain('racy');
  const { store, directory } = stored(chain);
  t.equal(found(store, chain), undefined);
  t.notOk(existsSync(directory));
  // Written all the same, by a clock that stood elsewhere: it is not used.
  const identity = store.identify(chain)!;
  await settled(chain);
  const good = stored(chain);
  writeDigestFile(good.directory, good.file, readChainLists(chain).lists.data, identity);
  t.equal(found(good.store, chain), undefined);
});

t.test('a damaged digest is none', async (t) => {
  const chain = chains.damaged;
  const { store, file } = stored(chain);
  const good = readFileSync(file);
  const bytes = Buffer.from(good);
  for (let at = 0; at < good.length; at += 3) {
    bytes[at] = good[at]! ^ (1 << (at % 8));
    writeFileSync(file, bytes);
    if (found(store, chain) !== undefined) t.fail(`byte ${at} of ${good.length}`);
    bytes[at] = good[at]!;
  }
  writeFileSync(file, good);
  t.ok(found(store, chain));
  for (const length of [0, 7, 16, 100, good.length - 8, good.length - 1]) {
    writeFileSync(file, good);
    truncateSync(file, length);
    t.equal(found(store, chain), undefined, `${length} bytes`);
  }
  writeFileSync(file, Buffer.concat([good, Buffer.alloc(8)]));
  t.equal(found(store, chain), undefined, 'longer');
});

t.test('what somebody else can have written is not read', async (t) => {
  const chain = chains.foreign;
  const { store, directory, file } = stored(chain);
  const refused = (why: string) => t.equal(found(store, chain), undefined, why);
  chmodSync(file, 0o620);
  refused('a file that others may write');
  chmodSync(file, 0o600);
  t.ok(found(store, chain));
  chmodSync(directory, 0o770);
  refused('a directory that others may write');
  chmodSync(directory, 0o700);
  renameSync(file, `${file}.real`);
  symlinkSync(`${file}.real`, file);
  refused('a link');
  rmSync(file);
  mkdirSync(file);
  refused('a directory');
  rmSync(file, { recursive: true });
  renameSync(`${file}.real`, file);
  t.ok(found(store, chain));
  if (process.getuid?.() === 0) {
    chownSync(file, 1234, 1234);
    refused('another user’s file');
    chownSync(file, 0, 0);
    chownSync(directory, 1234, 1234);
    refused('another user’s directory');
    t.throws(
      () => writeDigestFile(directory, file, readChainLists(chain).lists.data, { key: '', seenAt: 0 }),
      /somebody else/,
    );
  }
});

t.test('the eight used last stay, and nothing half-written', async (t) => {
  const chain = chains.many;
  const { store, directory, file } = stored(chain);
  const { data } = readChainLists(chain).lists;
  for (let n = 0; n < 10; n++) {
    const other = join(directory, `${n}.lists`);
    writeDigestFile(directory, other, data, { key: String(n), seenAt: 0 });
    utimesSync(other, 1000 + n, 1000 + n);
    t.ok(found(store, chain), 'used again and again');
  }
  t.same(
    readdirSync(directory).sort(),
    [...[3, 4, 5, 6, 7, 8, 9].map((n) => `${n}.lists`), file.split('/').at(-1)].sort(),
  );
  const left = join(directory, 'x.lists.1.tmp');
  const writing = join(directory, 'y.lists.2.tmp');
  for (const path of [left, writing]) writeFileSync(path, '');
  utimesSync(left, 1, 1);
  writeDigestFile(directory, file, data, { key: 'new', seenAt: 0 });
  t.notOk(existsSync(left));
  t.ok(existsSync(writing), 'somebody may be writing it');
  t.equal(found(store, chain), undefined, 'another one has taken its place');
});

t.test('small lists have none', async (t) => {
  t.equal(new DigestStore(join(root, 'small-cache')).identify(chains.whole), undefined);
});
