// The fault matrix: every class of byte in every kind of catalog file flipped, cut, swapped or deleted. What comes out
// is the truth or an error, never anything else.

import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import t from 'tap';
import { backupIdOf, openCatalog, openChain, resolveChain } from '../../src/backup/index.js';
import { PbkfsError } from '../../src/errors.js';
import { startTime } from '../support/catalog-writer.js';
import { DirectOverlay } from '../support/direct-overlay.js';
import { WholeFileReader } from '../support/reader-tree.js';
import { scratchDirectory, smallFiles, writeSmallCatalog } from '../support/small-catalog.js';

t.setTimeout(600_000);

const root = scratchDirectory();
const pristine = writeSmallCatalog(join(root, 'pristine'));
const catalog = join(root, 'catalog');
cpSync(pristine, catalog, { recursive: true });
const ids = [1, 2, 3].map((n) => backupIdOf(startTime(n)));
const target = ids[2]!;
const instance = (of: string) => join(of, 'backups/main');

const truth = readTree();
t.equal(truth.size, smallFiles.size);
for (const [path, content] of smallFiles) t.ok(truth.get(path)?.equals(content), path);

/** All files of the target by their names; a file that cannot be read is its error. Throws what keeps all from being read. */
function readTree(): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const [path, content] of readAll()) if (Buffer.isBuffer(content)) found.set(path, content);
  return found;
}

function* readAll(): Generator<[path: string, content: Buffer | Error]> {
  const reader = openChain(resolveChain(openCatalog(catalog), 'main', target));
  const files = new WholeFileReader();
  reader.tablespaces();
  for (const { path, kind, size } of reader.entries()) {
    if (kind === 'dir') continue;
    try {
      const content = files.read(reader, path);
      if (content.length !== size) throw new Error(`${content.length} bytes, and a size of ${size}`);
      yield [path, content];
    } catch (error) {
      yield [path, error as Error];
    }
  }
}

const tally = { truth: 0, partly: 0, refused: 0 };

/** Looks at the damaged catalog. @returns what is wrong with the outcome */
function judge(): string | undefined {
  const seen = new Set<string>();
  let errors = 0;
  try {
    for (const [path, content] of readAll()) {
      seen.add(path);
      if (Buffer.isBuffer(content)) {
        if (truth.get(path)?.equals(content) !== true) return `${path} has other bytes`;
      } else if (isProper(content)) errors++;
      else return `${path}: an error of no kind: ${content.stack}`;
    }
  } catch (error) {
    if (!isProper(error)) return `an error of no kind: ${(error as Error).stack}`;
    tally.refused++;
    return undefined;
  }
  for (const path of truth.keys()) if (!seen.has(path)) return `${path} is not there`;
  if (seen.size !== truth.size) return 'there are more files than there should be';
  if (errors > 0) tally.partly++;
  else tally.truth++;
  return undefined;
}

/** One that says what is the matter with the backup, or what the system said. */
function isProper(error: unknown): boolean {
  if (error instanceof PbkfsError) return error.code !== 'internal';
  return (error as NodeJS.ErrnoException).syscall !== undefined;
}

/** Every stored file of the catalog's backups, relative to the instance. */
const files: string[] = [];
const walk = (directory: string): void => {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) walk(path);
    else files.push(relative(instance(pristine), path));
  }
};
for (const id of ids) walk(join(instance(pristine), id));

const bytesOf = (file: string): Buffer => readFileSync(join(instance(pristine), file));
const put = (file: string, bytes: Buffer): void => writeFileSync(join(instance(catalog), file), bytes);
const restore = (...changed: string[]): void => {
  for (const file of changed) copyFileSync(join(instance(pristine), file), join(instance(catalog), file));
};

/** Applies a change, judges, undoes it. */
function tryFault(what: string, changed: string[], change: () => void, wrong: string[]): void {
  change();
  const verdict = judge();
  if (verdict !== undefined) wrong.push(`${what}: ${verdict}`);
  restore(...changed);
}

const isControl = (file: string) => file.endsWith('/backup.control');
const isMap = (file: string) => file.endsWith('/page_header_map');
const isList = (file: string) => file.endsWith('/backup_content.control');

/** Positions worth damaging: all of a small metadata file; of the others record headers, ends, and a sample. */
function positions(file: string): number[] {
  const { size } = statSync(join(instance(pristine), file));
  if (isControl(file) || isMap(file)) return range(size, 1);
  if (isList(file)) return range(size, 11);
  const picked = new Set<number>([...range(size, Math.max(1, Math.floor(size / 40))), size - 1]);
  for (const at of recordOffsets(file)) for (let i = 0; i < 20; i++) if (at + i < size) picked.add(at + i);
  return [...picked].sort((a, b) => a - b);
}

function range(end: number, step: number): number[] {
  return Array.from({ length: Math.ceil(end / step) }, (_, i) => i * step);
}

/** As far as the bytes look like a page stream. */
function recordOffsets(file: string): number[] {
  if (!/database\/.*\/\d+$/.test(file)) return [];
  const bytes = bytesOf(file);
  const found: number[] = [];
  for (let at = 0; at + 8 <= bytes.length; at += 8 + bytes.readInt32LE(at + 4)) {
    const size = bytes.readInt32LE(at + 4);
    if (size <= 0 || size > 8192) return [];
    found.push(at);
  }
  return found;
}

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
