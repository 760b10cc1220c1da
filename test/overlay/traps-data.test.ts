// The faults that overlays of this kind have had with the bytes of files, one by one, on a made-up chain and on a real one.

import { readdirSync, statSync } from 'node:fs';
import t from 'tap';
import { BLOCK, bytes, cases, equalBytes, mount, newDiff, original, survives } from './trap-cases.js';

for (const { name, catalog, datafile, raw } of cases) {
  t.test(`${name}: blocks only the backup has stay readable after a write elsewhere (trap 15)`, async (t) => {
    for (const path of [datafile, raw]) {
      const wanted = original(catalog, path);
      wanted.fill(1, BLOCK, 2 * BLOCK);
      survives(
        t,
        catalog,
        (direct) => direct.write(path, BLOCK, bytes(BLOCK, 1)),
        (direct, when) => equalBytes(t, direct.readAll(path), wanted, `${path} ${when}`),
      );
    }
  });

  t.test(`${name}: sizes follow extension at once (trap 16)`, async (t) => {
    for (const path of [datafile, raw]) {
      const before = original(catalog, path);
      const end = before.length;
      survives(
        t,
        catalog,
        (direct) => {
          const file = direct.open(path);
          for (let n = 0; n < 3; n++) {
            file.write(end + n * BLOCK, bytes(BLOCK, n + 1));
            t.equal(direct.stat(path).size, end + (n + 1) * BLOCK);
            t.equal(file.stat().size, end + (n + 1) * BLOCK);
            t.equal(direct.read(path, end + (n + 1) * BLOCK, BLOCK).length, 0, 'nothing beyond the end');
          }
          file.fallocate(end + 3 * BLOCK, BLOCK);
          file.close();
        },
        (direct, when) => {
          const added = [1, 2, 3, 0].map((fill) => bytes(BLOCK, fill));
          equalBytes(t, direct.readAll(path), Buffer.concat([before, ...added]), `${path} ${when}`);
        },
      );
    }
  });

  t.test(`${name}: halves of blocks, unaligned writes and writes across blocks (trap 17)`, async (t) => {
    for (const path of [datafile, raw]) {
      const wanted = original(catalog, path);
      const writes: [position: number, length: number][] = [
        [BLOCK, BLOCK / 2],
        [BLOCK + BLOCK / 2, BLOCK / 2],
        [BLOCK / 2, BLOCK / 2],
        [100, 50],
        [BLOCK - 10, 20],
        [3, 2 * BLOCK],
        [BLOCK + 1, BLOCK - 2],
        [wanted.length - 1, 1],
      ];
      for (const [i, [position, length]] of writes.entries()) wanted.fill(i + 1, position, position + length);
      survives(
        t,
        catalog,
        (direct) => {
          for (const [i, [position, length]] of writes.entries()) direct.write(path, position, bytes(length, i + 1));
        },
        (direct, when) => {
          equalBytes(t, direct.readAll(path), wanted, `${path} ${when}`);
          for (const [from, length] of [
            [0, 4096],
            [4096, 4096],
            [8191, 2],
            [5000, 9000],
          ]) {
            t.ok(
              direct.read(path, from, length).equals(wanted.subarray(from, from + length)),
              `read ${from}+${length}`,
            );
          }
        },
      );
    }
  });

  t.test(`${name}: truncate keeps what lies below, and what grows again is zeros (trap 18)`, async (t) => {
    for (const path of [datafile, raw]) {
      const before = original(catalog, path);
      for (const cut of [0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 5000]) {
        const wanted = Buffer.concat([before.subarray(0, cut), bytes(before.length + 10 - cut, 0)]);
        survives(
          t,
          catalog,
          (direct) => {
            direct.truncate(path, cut);
            t.equal(direct.stat(path).size, cut);
            t.ok(direct.readAll(path).equals(before.subarray(0, cut)), `${path} cut to ${cut}`);
            direct.truncate(path, wanted.length);
          },
          (direct, when) => equalBytes(t, direct.readAll(path), wanted, `${path} cut to ${cut} and grown, ${when}`),
        );
      }
      survives(
        t,
        catalog,
        (direct) => {
          direct.truncate(path, 0);
          direct.write(path, 2 * BLOCK, bytes(10, 5));
        },
        (direct, when) =>
          equalBytes(t, direct.readAll(path), Buffer.concat([bytes(2 * BLOCK, 0), bytes(10, 5)]), `re-used ${when}`),
      );
    }
  });

  t.test(`${name}: reading everything and syncing it leaves the diff empty (trap 36)`, async (t) => {
    const diff = newDiff();
    const direct = mount(catalog, diff);
    const journal = statSync(`${diff}/journal`).size;
    for (const path of [datafile, raw, 'PG_VERSION']) {
      const open = direct.open(path);
      open.fsync();
      open.readAll();
      open.fsync();
      open.close();
    }
    for (const path of ['', 'base', 'base/1']) direct.fsyncdir(path);
    t.same(readdirSync(`${diff}/objects`), []);
    t.equal(statSync(`${diff}/journal`).size, journal);
    direct.close();
  });

  t.test(`${name}: materialising on read copies block by block, and changes nothing that is read`, async (t) => {
    const diff = newDiff();
    const wanted = original(catalog, datafile);
    const direct = mount(catalog, diff, true);
    t.ok(direct.read(datafile, BLOCK, 10).equals(wanted.subarray(BLOCK, BLOCK + 10)));
    t.equal(direct.counters().blocksMaterialized, 1);
    t.ok(direct.readAll(datafile).equals(wanted));
    t.ok(direct.readAll(datafile).equals(wanted));
    t.equal(direct.counters().blocksMaterialized, wanted.length / BLOCK, 'every block once');
    direct.kill();
    const again = mount(catalog, diff);
    t.ok(again.readAll(datafile).equals(wanted), 'after a kill');
    t.equal(again.counters().blocksFromBackup, 0, 'nothing of it comes from the backup any more');
    again.close();
  });

  t.test(`${name}: every size is right after a first small write and a remount (trap 38)`, async (t) => {
    const diff = newDiff();
    let direct = mount(catalog, diff);
    const sizes = new Map<string, number>();
    for (const entry of direct.readdir('base/1').keys()) sizes.set(entry, direct.stat(`base/1/${entry}`).size);
    for (const [entry, size] of sizes) if (size > 0) direct.write(`base/1/${entry}`, 0, bytes(1, 1));
    for (const end of ['kill', 'close', 'close'] as const) {
      direct[end]();
      direct = mount(catalog, diff);
      const wrong = [...sizes].filter(
        ([entry, size]) =>
          direct.stat(`base/1/${entry}`).size !== size || direct.readAll(`base/1/${entry}`).length !== size,
      );
      t.same(wrong, [], `after ${end}`);
    }
    direct.close();
  });
}
