// The real pg_probackup catalogs that tests run against, unpacked once into a cache directory.

import { spawn, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { decompress } from 'fzstd';
import { fixture, repoRoot } from './paths.js';

/** All catalogs that tests know of; the small ones are always in test/fixtures, the others only beside the repository. */
export const catalogNames = [
  'mini',
  'pagehole',
  'states',
  'merging',
  'tli',
  'ptrack',
  'nocomp',
  'mixed',
  'seg2',
] as const;
export type CatalogName = (typeof catalogNames)[number];

const sharedDir = path.resolve(repoRoot, '../shared/catalogs');

/** The archive of a catalog, or undefined when this machine lacks it. */
function catalogArchive(name: CatalogName): string | undefined {
  return [fixture(`${name}.tar.zst`), path.join(sharedDir, `${name}.tar.zst`)].find((file) => fs.existsSync(file));
}

/** Names of the catalogs that can be unpacked here. */
export function availableCatalogs(): CatalogName[] {
  return catalogNames.filter((name) => missingCatalog(name) === false);
}

/** Why a catalog cannot be tested here: text for a test's `skip`, or false. */
export function missingCatalog(name: CatalogName): string | false {
  const archive = catalogArchive(name);
  if (archive === undefined) return `catalog ${name} is neither in test/fixtures nor in ${sharedDir}`;
  if (isFixture(archive) || hasZstd()) return false;
  return `catalog ${name} needs the program zstd to be unpacked`;
}

function isFixture(archive: string): boolean {
  return path.dirname(archive) === path.dirname(fixture(''));
}

function hasZstd(): boolean {
  return spawnSync('zstd', ['--version'], { stdio: 'ignore' }).status === 0;
}

/**
 * Unpacks a catalog, or finds it unpacked by an earlier run. Shared by all tests: copy it before changing anything.
 * @returns its directory, which holds `catalog`, `truth`, NOTES.md, show.json
 */
export async function extractCatalog(name: CatalogName): Promise<string> {
  const archive = catalogArchive(name);
  if (archive === undefined) throw new Error(String(missingCatalog(name)));
  const hash = crypto.createHash('sha256').update(fs.readFileSync(archive)).digest('hex').slice(0, 16);
  const cache = path.join(os.tmpdir(), `pbkfs-test-catalogs-${process.getuid?.() ?? 'x'}`);
  const target = path.join(cache, `${name}-${hash}`);
  if (!fs.existsSync(target)) {
    fs.mkdirSync(cache, { recursive: true });
    const unpacked = fs.mkdtempSync(`${target}.tmp-`);
    await unpack(archive, unpacked);
    try {
      // Parallel tests may unpack the same catalog; the first rename wins.
      fs.renameSync(unpacked, target);
    } catch (error) {
      fs.rmSync(unpacked, { recursive: true });
      if (!fs.existsSync(target)) throw error;
    }
  }
  return path.join(target, name);
}

/** A private copy of an unpacked catalog's directory `catalog`, for tests that damage it. */
export async function copyCatalog(name: CatalogName, to: string): Promise<string> {
  const copy = path.join(to, 'catalog');
  fs.cpSync(path.join(await extractCatalog(name), 'catalog'), copy, { recursive: true });
  return copy;
}

export async function unpack(archive: string, directory: string): Promise<void> {
  const tar = spawn('tar', ['-x', '--no-same-owner', '-C', directory], { stdio: ['pipe', 'inherit', 'inherit'] });
  const ended = once(tar, 'close');
  // tar stops reading at the archive's end mark; whatever follows it meets a closed pipe.
  tar.stdin.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  if (isFixture(archive)) tar.stdin.end(decompressFixture(fs.readFileSync(archive)));
  else spawn('zstd', ['-dc', '--long=27', archive], { stdio: ['ignore', 'pipe', 'inherit'] }).stdout.pipe(tar.stdin);
  const [status] = (await ended) as [number | null];
  if (status !== 0) throw new Error(`tar ended with status ${status} on ${archive}`);
}

/**
 * fzstd 0.1.1 without an output buffer moves its whole window (128 MiB here) for each block, and with one it converts
 * the buffer to a string, unless that is made cheap. It goes wrong on matches more than 32 MiB back now and then; the
 * fixtures were compared with what zstd makes of them, other archives are left to zstd.
 */
function decompressFixture(archive: Buffer): Buffer {
  const output = new Uint8Array(128 << 20);
  Object.defineProperty(output, Symbol.toPrimitive, { value: () => 0 });
  decompress(archive, output);
  return Buffer.from(output.buffer);
}
