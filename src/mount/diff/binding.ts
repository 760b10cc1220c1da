// diff/binding.json: which backup a diff belongs to, and how its last mount ended.

import { join } from 'node:path';
import { PbkfsError } from '../../errors.js';
import type { RecoveryConfig } from '../../postgres/recovery-config.js';
import { replaceFile } from '../../sys/durable-file.js';
import type { ProcessIdentity } from '../../sys/process-identity.js';
import { readIfThere } from '../../sys/read-if-there.js';
import { shellWord } from '../../sys/shell-word.js';
import type { FileOwner } from '../file-owner.js';
import type { WalBinding } from '../wal-dir/wal-directory.js';

/** What makes a backup the same one, wherever its catalog lies. */
export interface BackupIdentity {
  readonly instance: string;
  readonly backupId: string;
  /** `start-time` of backup.control in Unix seconds: what pg_probackup itself tells backups apart by. */
  readonly startTime: number;
  /** `system-identifier` of the cluster, a decimal u64; empty where the catalog does not say. */
  readonly systemIdentifier: string;
}

/** `mounted` left behind by a process that is gone means it was killed. */
export type MountState = 'mounted' | 'clean' | 'failed';

export interface LastMount extends ProcessIdentity {
  readonly mountpoint: string;
  readonly state: MountState;
  /** Whom the files of the backup belonged to; missing where an older version wrote this. */
  readonly owner?: FileOwner;
  /** Why it failed. */
  readonly error?: string;
}

export interface Binding {
  readonly catalog: string;
  readonly backup: BackupIdentity;
  readonly lastMount: LastMount;
  /** Mounted with --no-wal: no server can start on it again. */
  readonly noWal?: true;
  /** Mounted with --wal-dir: where its WAL lies. */
  readonly walDirectory?: WalBinding;
  /** Recovery settings that are still to be written into the data directory: a mount may end before that. */
  readonly unwritten?: RecoveryConfig;
}

export const BINDING_FILE = 'binding.json';

const FORMAT = 'pbkfs diff';
const FORMAT_VERSION = 1;

/**
 * Reads the binding of a diff directory.
 * @returns undefined where there is none
 * @throws PbkfsError diff_damaged when it cannot be understood, diff_foreign when a newer pbkfs wrote it
 */
export function readBinding(diff: string): Binding | undefined {
  const path = join(diff, BINDING_FILE);
  let bytes: Buffer | undefined;
  try {
    bytes = readIfThere(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') throw notOurs(diff, error);
    throw new PbkfsError('diff_damaged', `cannot read ${path}: ${(error as Error).message}`, {
      hint: 'check the storage of the diff, or restore that file from a copy',
      cause: error,
    });
  }
  return bytes === undefined ? undefined : parse(path, bytes.toString('utf8'));
}

/** A diff of another user. */
export function notOurs(diff: string, cause: unknown): PbkfsError {
  return new PbkfsError('no_permission', `no permission for the diff ${diff} (as user ${process.geteuid?.()})`, {
    hint: 'only root and the user who made it may use it',
    cause,
  });
}

/** Replaces the binding durably. @throws a system error; the old binding stays then */
export function writeBinding(diff: string, binding: Binding): void {
  const document = { format: FORMAT, formatVersion: FORMAT_VERSION, ...binding };
  replaceFile(join(diff, BINDING_FILE), `${JSON.stringify(document, undefined, 2)}\n`);
}

/**
 * The diff was opened and closed without a mount: what a killed or failed one had left is durable now.
 * @returns the binding as it is then. @throws a system error; the old binding stays then
 */
export function markClean(diff: string, binding: Binding): Binding {
  const { error: _, ...lastMount } = binding.lastMount;
  const clean: Binding = { ...binding, lastMount: { ...lastMount, state: 'clean' } };
  if (binding.lastMount.state !== 'clean') writeBinding(diff, clean);
  return clean;
}

/**
 * Refuses a backup that is not the one the diff was made for; a catalog that moved is fine.
 * @throws PbkfsError diff_foreign
 */
export function checkIdentity(diff: string, binding: Binding, found: BackupIdentity): void {
  const bound = binding.backup;
  const differences: string[] = [];
  if (bound.instance !== found.instance) differences.push(`instance ${found.instance} instead of ${bound.instance}`);
  if (bound.backupId !== found.backupId) differences.push(`backup ${found.backupId} instead of ${bound.backupId}`);
  else if (bound.startTime !== found.startTime) differences.push(`another backup with the id ${found.backupId}`);
  const known = bound.systemIdentifier !== '' && found.systemIdentifier !== '';
  if (known && bound.systemIdentifier !== found.systemIdentifier) {
    differences.push(`system identifier ${found.systemIdentifier} instead of ${bound.systemIdentifier}`);
  }
  if (differences.length === 0) return;
  throw new PbkfsError('diff_foreign', `the diff ${diff} belongs to another backup: ${differences.join(', ')}`, {
    hint: `to mount backup ${bound.backupId} of instance ${bound.instance} again leave out -I and -i; for another backup give another diff directory`,
  });
}

/** @throws PbkfsError diff_not_resumable for the diff of a mount with --no-wal */
export function refuseWithoutWal(diff: string, binding: Binding, alternative?: string): void {
  if (binding.noWal !== true) return;
  throw new PbkfsError('diff_not_resumable', `the diff ${diff} was mounted with --no-wal: its WAL was not kept`, {
    hint: `no server can start on it again; ${alternative ?? `pbkfs cleanup -d ${shellWord(diff)} --force wipes it, then mount the backup anew`}`,
  });
}

function parse(path: string, text: string): Binding {
  const damaged = (what: string): PbkfsError =>
    new PbkfsError('diff_damaged', `${path} is damaged: ${what}`, {
      hint: 'restore that file from a copy, or start over with an empty diff directory',
    });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    // The message quotes the text.
    throw damaged((error as Error).message.replace(/\s+/g, ' '));
  }
  const top = new Fields(document, '', damaged);
  if (top.string('format') !== FORMAT) throw damaged('it was not written by pbkfs');
  const version = top.number('formatVersion');
  if (version > FORMAT_VERSION) {
    throw new PbkfsError('diff_foreign', `${path} has format ${version}, this pbkfs knows ${FORMAT_VERSION}`, {
      hint: 'mount it with the newer pbkfs that wrote it',
    });
  }
  const backup = top.object('backup');
  const last = top.object('lastMount');
  const state = last.string('state');
  if (state !== 'mounted' && state !== 'clean' && state !== 'failed') throw damaged(`unknown state ${state}`);
  const noWal = top.has('noWal') ? { noWal: true as const } : {};
  const wal = top.has('walDirectory') ? top.object('walDirectory') : undefined;
  const unwritten = top.has('unwritten') ? { unwritten: top.object('unwritten').as<RecoveryConfig>() } : {};
  const error = last.has('error') ? { error: last.string('error') } : {};
  const files = last.has('owner') ? last.object('owner') : undefined;
  return {
    catalog: top.string('catalog'),
    ...noWal,
    ...unwritten,
    ...(wal === undefined
      ? {}
      : { walDirectory: { path: wal.string('path'), id: wal.string('id'), ready: wal.boolean('ready') } }),
    backup: {
      instance: backup.string('instance'),
      backupId: backup.string('backupId'),
      startTime: backup.number('startTime'),
      systemIdentifier: backup.string('systemIdentifier'),
    },
    lastMount: {
      mountpoint: last.string('mountpoint'),
      pid: last.number('pid'),
      startTime: last.number('startTime'),
      bootId: last.string('bootId'),
      state,
      ...(files === undefined ? {} : { owner: { uid: files.number('uid'), gid: files.number('gid') } }),
      ...error,
    },
  };
}

/** Typed access to a parsed JSON object. */
class Fields {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #name: string;
  readonly #damaged: (what: string) => PbkfsError;

  constructor(value: unknown, name: string, damaged: (what: string) => PbkfsError) {
    if (typeof value !== 'object' || value === null) throw damaged(`${name || 'it'} is no object`);
    this.#object = value as Record<string, unknown>;
    this.#name = name;
    this.#damaged = damaged;
  }

  has(key: string): boolean {
    return this.#object[key] !== undefined;
  }

  string(key: string): string {
    const value = this.#object[key];
    if (typeof value !== 'string') throw this.#missing(key);
    return value;
  }

  number(key: string): number {
    const value = this.#object[key];
    if (typeof value !== 'number') throw this.#missing(key);
    return value;
  }

  boolean(key: string): boolean {
    const value = this.#object[key];
    if (typeof value !== 'boolean') throw this.#missing(key);
    return value;
  }

  object(key: string): Fields {
    return new Fields(this.#object[key], `${this.#name}${key}`, this.#damaged);
  }

  /** All of it, as it was written. */
  as<T>(): T {
    return this.#object as T;
  }

  #missing(key: string): PbkfsError {
    return this.#damaged(`no ${this.#name === '' ? '' : `${this.#name}.`}${key}`);
  }
}
