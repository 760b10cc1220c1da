// What is served of the backup, and what is refused: damaged raw files, files replaced underneath, --verify.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { backupIdOf, openCatalog, resolveChain } from '../../src/backup/index.js';
import { chainState } from '../../src/fs/report/mount-report.js';
import { control, encodeChange } from '../../src/overlay/shared/shared-state.js';
import { type BackupSpec, startTime, writeCatalog } from '../support/catalog-writer.js';
import type { DirectOptions } from '../support/direct-options.js';
import { DirectOverlay } from '../support/direct-overlay.js';
import { matchWhole } from '../support/match-whole.js';
import { makePage } from '../support/pages.js';
import { scratchDirectory, smallFiles, writeSmallCatalog } from '../support/small-catalog.js';

const root = scratchDirectory();
let made = 0;

function fresh(t: Test, write: (directory: string) => string): { catalog: string; diff: string } {
  const directory = join(root, `g${made++}`);
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return { catalog: write(join(directory, 'catalog')), diff: join(directory, 'diff') };
}

function open(t: Test, options: DirectOptions): DirectOverlay {
  const direct = new DirectOverlay(options);
  t.teardown(() => direct.close());
  return direct;
}

function stored(catalog: string, backup: number, name: string): string {
  return join(catalog, 'backups/main', backupIdOf(startTime(backup)), 'database', name);
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 0x10;
  writeFileSync(file, bytes);
}

t.test('a file whose block index cannot be made is refused each time, and nobody waits for the index', (t) => {
  const { catalog, diff } = fresh(t, writeSmallCatalog);
  truncateSync(stored(catalog, 1, 'base/2/200'), 100);
  const direct = open(t, { catalog, diff });
  direct.keepInodes = true;
  const inUse = direct.shared.arena.bytesInUse();
  for (const when of ['first', 'second']) {
    t.throws(() => direct.read('base/2/200', 0, 8192), { code: 'page_damaged' }, when);
    t.equal(direct.shared.arena.bytesInUse(), inUse, `${when}: no memory is kept`);
  }
  t.equal(direct.suspicions, 2, 'and each time the chain is looked at');
  t.ok(direct.readAll('base/1/100').equals(smallFiles.get('base/1/100')!), 'the rest goes on');
  t.end();
});

t.test('a raw file with one wrong bit is refused wherever it is read', (t) => {
  const { catalog, diff } = fresh(t, writeSmallCatalog);
  flip(stored(catalog, 3, 'base/1/raw'), 19_999);
  const direct = open(t, { catalog, diff });
  t.throws(() => direct.read('base/1/raw', 0, 10), {
    code: 'page_damaged',
    message: new RegExp(`backup ${backupIdOf(startTime(3))}, file .*/base/1/raw: it has CRC`),
  });
  t.throws(() => direct.write('base/1/raw', 5, Buffer.of(1)), { code: 'page_damaged' }, 'half a block');
  t.match(direct.counters(), { rawDamaged: 2, pageDamaged: 0 });
  t.equal(direct.suspicions, 2);
  t.ok(direct.readAll('base/1/small').equals(smallFiles.get('base/1/small')!), 'the rest goes on');
  t.end();
});

t.test('--verify=structure and off let a wrong bit of a raw file through', (t) => {
  const { catalog, diff } = fresh(t, writeSmallCatalog);
  flip(stored(catalog, 3, 'base/1/raw'), 19_999);
  for (const verify of ['structure', 'off'] as const) {
    const direct = open(t, { catalog, diff: `${diff}-${verify}`, verify });
    t.notOk(direct.readAll('base/1/raw').equals(smallFiles.get('base/1/raw')!), verify);
  }
  t.end();
});

t.test('a raw file that is cut off, or no file at all, is refused with every --verify', (t) => {
  const { catalog, diff } = fresh(t, writeSmallCatalog);
  const raw = stored(catalog, 3, 'base/1/raw');
  const refused = (verify: 'structure' | 'off', message: RegExp): void => {
    const direct = open(t, { catalog, diff: `${diff}-${verify}`, verify });
    t.throws(() => direct.readAll('base/1/raw'), { code: 'page_damaged', message });
    t.match(direct.counters(), { rawDamaged: 1 });
    t.equal(direct.suspicions, 1);
    matchWhole(t, direct.shared.refusals.list(), [{ refusal: { kind: 'raw' }, times: 1 }]);
  };
  truncateSync(raw, 19_000);
  refused('off', /it ends at byte 19000, 20000 are listed/);
  rmSync(raw);
  execFileSync('mkfifo', [raw]);
  refused('structure', /it is not a plain file/);
  t.end();
});

t.test('--verify: a wrong page, a wrong record header', (t) => {
  const { catalog, diff } = fresh(t, writeSmallCatalog);
  const file = stored(catalog, 1, 'base/2/200');
  flip(file, 8 + 5000);
  const outcome = (verify: DirectOptions['verify'], block: number): string => {
    const direct = new DirectOverlay({ catalog, diff: `${diff}-${verify}-${block}`, ...(verify ? { verify } : {}) });
    try {
      const page = direct.read('base/2/200', block * 8192, 8192);
      return page.equals(smallFiles.get('base/2/200')!.subarray(block * 8192, (block + 1) * 8192)) ? 'right' : 'wrong';
    } catch (error) {
      return (error as { code: string }).code;
    } finally {
      direct.close();
    }
  };
  t.same([outcome('checksum', 0), outcome('structure', 0), outcome('off', 0)], ['page_damaged', 'wrong', 'wrong']);
  // The header map still leads to the record of block 1, which now says that it is block 17.
  flip(file, 8 + 8192);
  t.same([outcome('checksum', 1), outcome('structure', 1)], ['page_damaged', 'page_damaged']);
  t.equal(outcome('off', 1), 'right');
  t.end();
});

t.test('a stored file that was replaced after its first use is not served', (t) => {
  const page = (seed: number, block: number): [number, Buffer] => [block, makePage(seed * 10 + block, block)];
  const backup = (seed: number): BackupSpec => ({
    start: startTime(1),
    mode: 'FULL',
    files: [
      { path: 'base', dir: true },
      { path: 'base/100', pages: [page(seed, 0), page(seed, 1)], alg: 'none' },
      { path: 'base/101', pages: [page(1, 0)], alg: 'none' },
      { path: 'base/raw', content: Buffer.alloc(9000, seed) },
    ],
  });
  const { catalog, diff } = fresh(t, (directory) => writeCatalog(directory, [backup(1)]));
  const other = fresh(t, (directory) => writeCatalog(directory, [backup(2)]));
  const direct = open(t, { catalog, diff, fdLimit: 1 });
  direct.keepInodes = true;
  const read = (name: string, at = 0): Buffer => direct.read(name, at, 8192);
  t.ok(read('base/100').equals(page(1, 0)[1]));
  t.ok(read('base/raw').equals(Buffer.alloc(8192, 1)));
  for (const name of ['base/100', 'base/raw']) renameSync(stored(other.catalog, 1, name), stored(catalog, 1, name));
  read('base/101'); // takes the only descriptor
  for (const name of ['base/100', 'base/raw']) {
    for (const when of ['when it is opened', 'and while it is open']) {
      t.throws(() => read(name), { code: 'chain_changed', message: /changed under the mount/ }, `${name} ${when}`);
    }
  }
  t.equal(direct.counters().chainChanged, 4);
  t.equal(direct.suspicions, 4);
  t.end();
});

t.test('a chain known to be changed serves nothing of the backup, and the diff as before', (t) => {
  const { catalog, diff } = fresh(t, writeSmallCatalog);
  const direct = open(t, { catalog, diff });
  direct.write('base/1/101', 8192, makePage(77, 1));
  Atomics.store(direct.shared.control, control.chainChanged, encodeChange({ layer: 2, kind: 1 }));
  t.ok(direct.read('base/1/101', 8192, 8192).equals(makePage(77, 1)));
  t.throws(() => direct.read('base/1/101', 0, 8192), {
    code: 'chain_changed',
    message: new RegExp(`^backup ${backupIdOf(startTime(3))} was changed under the mount: .* merged or deleted`),
  });
  t.throws(() => direct.read('PG_VERSION', 0, 3), { code: 'chain_changed' });
  const state = chainState(
    direct.shared.control,
    resolveChain(openCatalog(catalog), 'main', 'latest', { force: false }),
  );
  t.match(state, `backup ${backupIdOf(startTime(3))} was changed`);
  Atomics.store(direct.shared.control, control.chainChanged, 0);
  t.equal(direct.readAll('PG_VERSION').toString(), '15\n');
  t.end();
});

t.test('pages that were bad in the source are served, counted each and reported once a file', (t) => {
  const bad = [0, 1, 2].map((block): [number, Buffer] => {
    const page = makePage(block + 1, block);
    page.writeUInt16LE(page.readUInt16LE(8) ^ 0x0101, 8);
    return [block, page];
  });
  const { catalog, diff } = fresh(t, (directory) =>
    writeCatalog(directory, [{ start: startTime(1), mode: 'FULL', files: [{ path: '100', pages: bad }] }]),
  );
  const direct = open(t, { catalog, diff });
  // As the kernel keeps them: of a file that was forgotten nobody knows any more what was said.
  direct.keepInodes = true;
  for (const read of ['first', 'second']) {
    t.ok(direct.readAll('100').equals(Buffer.concat(bad.map(([, page]) => page))), read);
    t.equal(direct.counters().badInSource, 3, `${read}: each once`);
  }
  matchWhole(t, direct.warnings, [/^100: block 2 has a wrong checksum/]);
  t.ok(readdirSync(`${diff}/objects`).length === 0);
  t.end();
});
