// A catalog to damage, beside a sound one, and the judge of what reading it gives: the truth or an error.

import { copyFileSync, cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { backupIdOf, openCatalog, openChain, resolveChain } from '../../src/backup/index.js';
import { PbkfsError } from '../../src/errors.js';
import { startTime } from '../support/catalog-writer.js';
import { WholeFileReader } from '../support/reader-tree.js';
import { scratchDirectory, writeSmallCatalog } from '../support/small-catalog.js';

/** Scratch. */
export const root = scratchDirectory();
/** The sound one. */
export const pristine = writeSmallCatalog(join(root, 'pristine'));
/** The one to damage. */
export const catalog = join(root, 'catalog');
cpSync(pristine, catalog, { recursive: true });
/** Its backups, the FULL first. */
export const ids = [1, 2, 3].map((n) => backupIdOf(startTime(n)));
export const target = ids[2]!;
/** Where a catalog has them. */
export const instance = (of: string) => join(of, 'backups/main');

/** The target's files, by their names. */
export const truth = readTree();

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

/** Outcomes so far. */
export const tally = { truth: 0, partly: 0, refused: 0 };

/** Looks at the damaged catalog. @returns what is wrong with the outcome */
export function judge(): string | undefined {
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
export function isProper(error: unknown): boolean {
  if (error instanceof PbkfsError) return error.code !== 'internal';
  return (error as NodeJS.ErrnoException).syscall !== undefined;
}

/** Every stored file of the catalog's backups, relative to the instance. */
export const files: string[] = [];
const walk = (directory: string): void => {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) walk(path);
    else files.push(relative(instance(pristine), path));
  }
};
for (const id of ids) walk(join(instance(pristine), id));

/** What the sound one has of a file. */
export const bytesOf = (file: string): Buffer => readFileSync(join(instance(pristine), file));
export const put = (file: string, bytes: Buffer): void => writeFileSync(join(instance(catalog), file), bytes);
export const restore = (...changed: string[]): void => {
  for (const file of changed) copyFileSync(join(instance(pristine), file), join(instance(catalog), file));
};

/** Applies a change, judges, undoes it. */
export function tryFault(what: string, changed: string[], change: () => void, wrong: string[]): void {
  change();
  const verdict = judge();
  if (verdict !== undefined) wrong.push(`${what}: ${verdict}`);
  restore(...changed);
}

export const isControl = (file: string) => file.endsWith('/backup.control');
const isMap = (file: string) => file.endsWith('/page_header_map');
export const isList = (file: string) => file.endsWith('/backup_content.control');

/** Positions worth damaging: all of a small metadata file; of the others record headers, ends, and a sample. */
export function positions(file: string): number[] {
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
export function recordOffsets(file: string): number[] {
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
