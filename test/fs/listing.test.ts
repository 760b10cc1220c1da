// Listings of a directory with 100 000 files of the backup, while names in it come, go and move.

import fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { unmounted } from '../mount/small-mount.js';
import { startTime, writeCatalog } from '../support/catalog-writer.js';
import { mountMissing } from '../support/mount.js';

const FILES = 100_000;
const ROUNDS = 2;
/** A name changes after so many entries. */
const EVERY = 100;

t.setTimeout(600_000);

/** Every tenth name may change, the others stay. */
const names = Array.from({ length: FILES }, (_, n) => (n % 10 === 0 ? `changing-${n}` : `staying-${n}`));
const staying = names.filter((name) => name.startsWith('staying'));

t.test('what is there all the time is listed exactly once', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  mount.catalog = join(mount.base, 'wide');
  const directories = ['base', 'base/1', 'global'].map((path) => ({ path, dir: true as const }));
  const files = names.map((name) => ({ path: `base/1/${name}`, content: '' }));
  const control = { path: 'global/pg_control', content: Buffer.alloc(8192, 1) };
  writeCatalog(mount.catalog, [{ start: startTime(1), mode: 'FULL', files: [...directories, control, ...files] }]);
  await mount.first();
  const directory = mount.path('base/1');
  const at = (name: string): string => join(directory, name);
  const expected = new Set(names);

  for (let round = 0; round < ROUNDS; round++) {
    const removed = names.filter((name, n) => n % 1000 === round * 100 && expected.has(name));
    for (const name of removed) {
      fs.unlinkSync(at(name));
      expected.delete(name);
    }
    let changes = 0;
    const change = (): void => {
      const name = names[(changes * 10 + 50) % FILES]!;
      const next = `moved-${round}-${changes}`;
      if (changes % 3 === 0) fs.writeFileSync(at(next), 'new');
      else if (!expected.delete(name)) return;
      else if (changes % 3 === 1) fs.renameSync(at(name), at(next));
      else fs.unlinkSync(at(name));
      if (changes % 3 !== 2) expected.add(next);
    };
    const began = performance.now();
    const open = fs.opendirSync(directory, { bufferSize: 64 });
    const seen = new Map<string, number>();
    for (let entry = open.readSync(); entry !== null; entry = open.readSync()) {
      seen.set(entry.name, (seen.get(entry.name) ?? 0) + 1);
      if (seen.size % EVERY !== 0) continue;
      change();
      changes++;
    }
    open.closeSync();
    const seconds = (performance.now() - began) / 1000;
    t.ok(changes > 500, `${changes} changes`);
    t.same(staying.filter((name) => seen.get(name) !== 1).slice(0, 10), [], 'each of the others once');
    t.same([...seen].filter(([, times]) => times > 1).slice(0, 10), [], 'no name twice');
    t.same(removed.filter((name) => seen.has(name)).slice(0, 10), [], 'nothing that was gone before');
    if (round === 0) t.comment(`measured: ${seen.size} names and ${changes} changes in ${seconds.toFixed(1)} s`);
  }

  const wanted = [...expected].sort();
  t.strictSame(fs.readdirSync(directory).sort(), wanted, 'all that is there now');
  await mount.unmount();
  await mount.remount();
  t.strictSame(fs.readdirSync(directory).sort(), wanted, 'and after a remount');
  await mount.unmount();
});
