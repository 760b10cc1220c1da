// Comparison of a tree with the manifest of `pg_probackup restore`, with every allowed difference named.

import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/** What a tree says of one name; paths are byte strings (latin1) relative to PGDATA. */
export interface SeenEntry {
  readonly path: string;
  readonly type: 'f' | 'd' | 'l';
  /** Permission bits including setuid, setgid and sticky. */
  readonly mode: number;
  /** Bytes; looked at for files only. */
  readonly size: number;
}

/** A tree under test: the backup reader, the overlay, or a mounted directory. */
export interface TreeProvider {
  /** Every name below PGDATA; what lies in a tablespace as pg_tblspc/<oid>/... */
  list(): Iterable<SeenEntry> | AsyncIterable<SeenEntry>;
  /** SHA-256 (hex) of a file's content, read to its end. */
  sha256(path: string): string | Promise<string>;
}

interface ManifestEntry {
  readonly type: 'f' | 'd' | 'l';
  readonly mode?: string;
  readonly size?: number;
  readonly sha256?: string;
}

export interface Manifest {
  /** `<catalog>/<instance>.<backup id>`. */
  readonly name: string;
  readonly instance: string;
  readonly backupId: string;
  readonly autoConf: string;
  /** By path (byte string). */
  readonly entries: ReadonlyMap<string, ManifestEntry>;
}

/**
 * Relations that `restore` leaves different from the source cluster, where the source is right (format page 7.2, 7.3).
 * pagehole: restore makes 45 blocks of 61; expected are those and 16 zero blocks, which is also what restore makes of
 * the next backup, where nothing but the zero pages was added.
 */
const sourceIsRight: Record<string, Record<string, { size: number; sha256: string }>> = {
  'pagehole/main.TOU464': {
    'base/16384/16464': { size: 499712, sha256: '1a517c9382b77e943cec219bff1d53f5f141000ce1d3c4676614f62afbc92cfc' },
  },
};

/** The manifests that lie beside an unpacked catalog. */
export function loadManifests(catalogDir: string): Manifest[] {
  const truth = path.join(catalogDir, 'truth');
  return fs
    .readdirSync(truth)
    .filter((name) => name.endsWith('.manifest.json'))
    .sort()
    .map((name) => {
      const json = JSON.parse(fs.readFileSync(path.join(truth, name), 'utf8')) as {
        catalog: string;
        instance: string;
        backup_id: string;
        postgresql_auto_conf: string;
        entries: Record<string, ManifestEntry>;
      };
      const entries = Object.entries(json.entries).map(([key, entry]) => [bytesOf(key), entry] as const);
      return {
        name: `${json.catalog}/${json.instance}.${json.backup_id}`,
        instance: json.instance,
        backupId: json.backup_id,
        autoConf: json.postgresql_auto_conf,
        entries: new Map(entries),
      };
    });
}

export interface TruthResult {
  /** Names compared, directories included. */
  readonly compared: number;
  /** Files whose content was compared. */
  readonly hashed: number;
  /** Differences that are not allowed; must be empty. */
  readonly differences: readonly string[];
  /** Allowed differences that occurred. */
  readonly allowed: readonly string[];
}

/** Compares a whole tree: names, types, modes, sizes and contents. */
export async function compareWithTruth(manifest: Manifest, tree: TreeProvider): Promise<TruthResult> {
  const differences: string[] = [];
  const allowed: string[] = [];
  const missing = new Set(manifest.entries.keys());
  let hashed = 0;
  for await (const seen of tree.list()) {
    const wanted = expectedOf(manifest, seen.path);
    if (wanted === undefined) {
      differences.push(`${seen.path}: is not in the manifest`);
      continue;
    }
    missing.delete(seen.path);
    if (wanted.named !== undefined) allowed.push(`${seen.path}: ${wanted.named}`);
    if (wanted.type === 'l' && /^pg_tblspc\/\d+$/.test(seen.path)) {
      // Whatever leads to the tablespace's content will do; its target is the machine's that made the manifest.
      allowed.push(`${seen.path}: target of a tablespace's link`);
      continue;
    }
    if (seen.type !== wanted.type) {
      differences.push(`${seen.path}: is of type ${seen.type}, not ${wanted.type}`);
      continue;
    }
    const mode = judgeMode(seen, wanted.mode);
    if (mode !== undefined) (mode.allowed ? allowed : differences).push(`${seen.path}: ${mode.text}`);
    if (seen.type !== 'f') continue;
    if (seen.size !== wanted.size) differences.push(`${seen.path}: has ${seen.size} bytes, not ${wanted.size}`);
    const sha256 = await tree.sha256(seen.path);
    hashed++;
    if (sha256 !== wanted.sha256) differences.push(`${seen.path}: content differs (${sha256})`);
  }
  for (const name of missing) {
    if (name === 'recovery.signal') allowed.push(`${name}: made by restore, not served`);
    else differences.push(`${name}: is missing`);
  }
  return { compared: manifest.entries.size - missing.size, hashed, differences, allowed };
}

interface Expected {
  readonly type: 'f' | 'd' | 'l';
  readonly mode: number;
  readonly size: number | undefined;
  readonly sha256: string | undefined;
  /** Set when something else than the manifest's content is expected. */
  readonly named: string | undefined;
}

function expectedOf(manifest: Manifest, name: string): Expected | undefined {
  const entry = manifest.entries.get(name);
  if (entry === undefined) return undefined;
  const mode = Number.parseInt((entry.mode ?? '0o0').slice(2), 8);
  const source = sourceIsRight[manifest.name]?.[name];
  if (source !== undefined) return { type: entry.type, mode, ...source, named: 'length of the source cluster' };
  if (name === 'postgresql.auto.conf') {
    // restore only appended to it in these catalogs: the backup's own text is what stands before.
    const own = Buffer.from(manifest.autoConf.split('\n# recovery settings added by pg_probackup', 1)[0]!, 'utf8');
    const sha256 = crypto.createHash('sha256').update(own).digest('hex');
    return { type: entry.type, mode, size: own.length, sha256, named: "the backup's own settings" };
  }
  return { type: entry.type, mode, size: entry.size, sha256: entry.sha256, named: undefined };
}

function judgeMode(seen: SeenEntry, wanted: number): { allowed: boolean; text: string } | undefined {
  if (seen.mode === wanted) return undefined;
  const text = `mode ${seen.mode.toString(8)}, restored ${wanted.toString(8)}`;
  const onlySetuid = (seen.mode & ~0o6000) === wanted;
  // restore leaves pg_control at 0666 & ~umask and forces 0600 on postgresql.auto.conf; the list has the real modes.
  const listed = [0o600, 0o640].includes(seen.mode);
  const byRestore = listed && (seen.path === 'global/pg_control' || seen.path === 'postgresql.auto.conf');
  return { allowed: onlySetuid || byRestore, text };
}

function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
