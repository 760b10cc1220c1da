// A worker of the validation pool: checks a batch of stored files.

import { PbkfsError } from '../../errors.js';
import { verifyRaw } from '../raw-reader.js';
import { checkBlocks } from './check-blocks.js';
import { checkCopies } from './check-copies.js';
import { checkStream } from './check-stream.js';
import { checkWal } from './check-wal.js';
import { type Check, sizeOf } from './plan.js';
import type { Problem } from './problem.js';

export interface Batch {
  readonly checks: readonly Check[];
  /** One u64: stored bytes that have been checked, by all workers. */
  readonly done: SharedArrayBuffer;
}

/** @param tick called now and then, when `done` has changed */
export default function checkBatch({ checks, done }: Batch, tick?: () => void): Problem[] {
  const counter = new BigUint64Array(done);
  return checks.flatMap((check) => {
    let left = sizeOf(check);
    const read = (bytes: number): void => {
      left -= bytes;
      Atomics.add(counter, 0, BigInt(bytes));
      tick?.();
    };
    const problems = checkOne(check, read);
    read(left);
    return problems;
  });
}

function checkOne(check: Check, read: (bytes: number) => void): Problem[] {
  if (check.kind === 'wal') return checkWal(check);
  if (check.kind === 'blocks') return checkBlocks(check);
  if (check.kind === 'copies') return checkCopies(check);
  return check.kind === 'stream' ? checkStream(check, read) : checkRaw(check);
}

function checkRaw({ path, source }: Extract<Check, { kind: 'raw' }>): Problem[] {
  try {
    verifyRaw(source);
    return [];
  } catch (error) {
    const { message } = error as Error;
    const bare = error instanceof PbkfsError ? message.replace(/^backup \S+, file .*?: (?=it )/s, '') : message;
    return [{ kind: 'file', backup: source.backupId, file: path, message: bare }];
  }
}
