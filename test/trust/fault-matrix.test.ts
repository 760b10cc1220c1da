// The fault matrix: every class of byte in every kind of catalog file flipped, cut, swapped or deleted. What comes out
// is the truth or an error, never anything else.

import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DirectOverlay } from '../support/direct-overlay.js';
import { smallFiles } from '../support/small-catalog.js';
import {
  bytesOf,
  catalog,
  files,
  ids,
  instance,
  isControl,
  isList,
  isProper,
  judge,
  positions,
  pristine,
  put,
  recordOffsets,
  restore,
  root,
  tally,
  target,
  truth,
  tryFault,
} from './faulty-catalog.js';

t.equal(truth.size, smallFiles.size);
for (const [path, content] of smallFiles) t.ok(truth.get(path)?.equals(content), path);

t.test('flips: one bit, or the whole byte', (t) => {
  const wrong: string[] = [];
  for (const file of files) {
    const bytes = bytesOf(file);
    for (const at of positions(file)) {
      for (const mask of isControl(file) ? [1 << (at % 7)] : [1 << (at % 8), 0xff]) {
        tryFault(
          `${file} byte ${at} ^ ${mask}`,
          [file],
          () => {
            const damaged = Buffer.from(bytes);
            damaged[at]! ^= mask;
            put(file, damaged);
          },
          wrong,
        );
      }
    }
  }
  t.same(wrong.slice(0, 5), []);
  t.comment(`${JSON.stringify(tally)} of ${files.length} files`);
  t.ok(tally.partly > 500 && tally.refused > 500, 'most damage is seen');
  t.end();
});

t.test('cuts: to nothing, by one byte, in the middle, at record borders; and bytes put in or taken out', (t) => {
  const wrong: string[] = [];
  for (const file of files) {
    const bytes = bytesOf(file);
    const middle = Math.floor(bytes.length / 2);
    const lengths = [0, 1, middle, bytes.length - 1, ...recordOffsets(file)];
    for (const length of lengths) {
      tryFault(`${file} cut to ${length}`, [file], () => put(file, bytes.subarray(0, length)), wrong);
    }
    const spliced = [
      Buffer.concat([bytes.subarray(0, middle), bytes.subarray(middle + 1)]),
      Buffer.concat([bytes.subarray(0, middle), Buffer.of(0x30), bytes.subarray(middle)]),
      Buffer.concat([bytes, bytes]),
      Buffer.alloc(bytes.length),
    ];
    for (const [i, damaged] of spliced.entries())
      tryFault(`${file} splice ${i}`, [file], () => put(file, damaged), wrong);
  }
  t.same(wrong.slice(0, 5), []);
  t.end();
});

t.test('lines: each taken out of a control file or a list, or there twice', (t) => {
  const wrong: string[] = [];
  for (const file of files.filter((name) => isControl(name) || isList(name))) {
    const lines = bytesOf(file).toString('latin1').split('\n').slice(0, -1);
    for (const [i, line] of lines.entries()) {
      const others = lines.toSpliced(i, 1);
      for (const changed of [others, [...lines, line], [...others, line]]) {
        tryFault(
          `${file} line ${line.slice(0, 40)}`,
          [file],
          () => put(file, Buffer.from(`${changed.join('\n')}\n`, 'latin1')),
          wrong,
        );
      }
    }
  }
  t.same(wrong.slice(0, 5), []);
  t.end();
});

t.test('deletes: every file by itself, and every backup', (t) => {
  const wrong: string[] = [];
  for (const file of files) tryFault(`${file} deleted`, [file], () => rmSync(join(instance(catalog), file)), wrong);
  for (const id of ids) {
    const away = join(root, 'away');
    renameSync(join(instance(catalog), id), away);
    const verdict = judge();
    if (verdict !== undefined) wrong.push(`${id} deleted: ${verdict}`);
    renameSync(away, join(instance(catalog), id));
  }
  t.same(wrong.slice(0, 5), []);
  t.end();
});

t.test('swaps: any two files of a backup, the same file of two backups, two records of a stream', (t) => {
  const wrong: string[] = [];
  const swap = (a: string, b: string): void =>
    tryFault(
      `${a} <-> ${b}`,
      [a, b],
      () => {
        put(a, bytesOf(b));
        put(b, bytesOf(a));
      },
      wrong,
    );
  for (const [i, a] of files.entries()) for (const b of files.slice(i + 1)) swap(a, b);
  for (const file of files) {
    const offsets = recordOffsets(file);
    if (offsets.length < 2) continue;
    const bytes = bytesOf(file);
    const records = offsets.map((at, i) => bytes.subarray(at, offsets[i + 1]));
    for (let i = 0; i + 1 < records.length; i++) {
      const changed = records.toSpliced(i, 2, records[i + 1]!, records[i]!);
      tryFault(`${file} records ${i}, ${i + 1}`, [file], () => put(file, Buffer.concat(changed)), wrong);
      tryFault(
        `${file} record ${i} twice`,
        [file],
        () => put(file, Buffer.concat(records.toSpliced(i, 0, records[i]!))),
        wrong,
      );
      tryFault(`${file} without record ${i}`, [file], () => put(file, Buffer.concat(records.toSpliced(i, 1))), wrong);
    }
  }
  t.same(wrong.slice(0, 5), []);
  t.end();
});

t.test('two faults: no header map, and a flip or zeros in a stream', (t) => {
  const wrong: string[] = [];
  for (const id of ids) {
    const map = `${id}/page_header_map`;
    if (!existsSync(join(instance(pristine), map))) continue;
    rmSync(join(instance(catalog), map));
    for (const file of files.filter((name) => name.startsWith(id) && recordOffsets(name).length > 0)) {
      const bytes = bytesOf(file);
      for (const at of positions(file)) {
        tryFault(
          `${file} byte ${at}, no map`,
          [file],
          () => {
            const damaged = Buffer.from(bytes);
            damaged[at]! ^= 1 << (at % 8);
            put(file, damaged);
          },
          wrong,
        );
      }
      for (const at of recordOffsets(file)) {
        for (const [from, length] of [
          [at, 512],
          [at + 8, 8192],
          [at + 8 + 512, 512],
        ] as const) {
          const change = (): void => put(file, Buffer.from(bytes).fill(0, from, Math.min(bytes.length, from + length)));
          tryFault(`${file} zeros at ${from}, no map`, [file], change, wrong);
        }
      }
    }
    restore(map);
  }
  t.same(wrong.slice(0, 5), []);
  t.end();
});

t.test('the same through the overlay, for one fault of each file', (t) => {
  for (const [i, file] of files.entries()) {
    const bytes = bytesOf(file);
    bytes[Math.floor(bytes.length * 0.6)]! ^= 0x04;
    put(file, bytes);
    let direct: DirectOverlay | undefined;
    try {
      direct = new DirectOverlay({ catalog, backup: target, diff: join(root, `diff${i}`) });
      for (const [path, content] of smallFiles) {
        try {
          const got = direct.readAll(path);
          if (!got.equals(content)) t.fail(`${file}: ${path} has other bytes`);
        } catch (error) {
          if (!isProper(error)) t.fail(`${file}: ${path}: ${(error as Error).stack}`);
        }
      }
    } catch (error) {
      if (!isProper(error)) t.fail(`${file}: ${(error as Error).stack}`);
    } finally {
      direct?.close();
      restore(file);
    }
  }
  t.pass(`${files.length} files`);
  t.end();
});
