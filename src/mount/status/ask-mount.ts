// Reading what a mount tells of itself, of which some are dead or hang.

import { execFile } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { HIDDEN_DIRECTORY } from '../../overlay/namespace/hidden-directory.js';
import { mountOn } from '../../sys/mountinfo.js';
import { programPath } from '../../sys/program-path.js';

const MOST_BYTES = 8 << 20;

/** Why a mount did not tell. */
export interface Silence {
  readonly reason: string;
  /** It took too long. */
  readonly killed: boolean;
}

/** The kernel lets nobody but the mounter into a mount without `allow_other`, not even root: root becomes that user there. */
function mounter(mountpoint: string): { uid?: number; gid?: number } {
  return process.getuid?.() === 0 ? (mountOn(mountpoint)?.mounter ?? {}) : {};
}

/**
 * The content of a file of its hidden directory, by a process of its own: a read from a mount that hangs blocks the thread
 * that does it, and cannot be ended where the request has reached the server. Resolves when that process has ended, which
 * nobody has to wait for: it keeps no program alive.
 * @param patience after how many ms the process is killed
 */
export function readByChild(mountpoint: string, name: string, patience: number): Promise<string | Silence> {
  return new Promise((resolve) => {
    const limits = { maxBuffer: MOST_BYTES, timeout: patience, killSignal: 'SIGKILL' } as const;
    const options = { ...limits, ...mounter(mountpoint), cwd: '/', env: { PATH: programPath(), LC_ALL: 'C' } };
    const file = join(mountpoint, HIDDEN_DIRECTORY, name);
    const child = execFile('cat', ['--', file], options, (error, text, said) => {
      if (error === null && text !== '') resolve(text);
      else resolve({ reason: said.trim() || error?.message || 'it says nothing', killed: error?.killed === true });
    });
    child.unref();
    for (const pipe of [child.stdout, child.stderr]) (pipe as Socket | null)?.unref();
  });
}
