// Who a process is: pids are reused, so an owner is a pid together with its start time and the boot it belongs to.

import { readdirSync, readFileSync } from 'node:fs';
import { PbkfsError } from '../errors.js';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between boot and the start of the process: field 22 of /proc/PID/stat. */
  readonly startTime: number;
  readonly bootId: string;
}

/** The id the kernel made up at this boot; it also stands for the life of the page cache. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** Without it nobody knows which processes and mounts there are. */
export function noProc(cause?: unknown): PbkfsError {
  return new PbkfsError('no_proc', '/proc is not mounted here, or shows another PID namespace', {
    hint: 'mount it (mount -t proc proc /proc), or start the namespace with unshare --mount-proc',
    cause,
  });
}

export function selfIdentity(): ProcessIdentity {
  const self = stat(process.pid);
  if (self === undefined) throw noProc();
  return { pid: process.pid, startTime: self.startTime, bootId: bootId() };
}

/** The numbers of all processes that can be seen here. One of them may end while it is looked at. */
export function processIds(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The process with this pid and its parent's; undefined when there is none. */
export function identityOf(pid: number): (ProcessIdentity & { readonly parent: number }) | undefined {
  const found = stat(pid);
  if (found === undefined) return undefined;
  return { pid, startTime: found.startTime, bootId: bootId(), parent: found.parent };
}

/** Whether that very process still runs. A zombie does not: it has given up its descriptors and its memory. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== bootId()) return false;
  const found = stat(identity.pid);
  return found !== undefined && found.startTime === identity.startTime && !'ZXx'.includes(found.state);
}

export function sameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.pid === b.pid && a.startTime === b.startTime && a.bootId === b.bootId;
}

/** When a living process was started, in ms since 1970; good to a second or so. */
export function startedAt({ startTime }: ProcessIdentity): number {
  // USER_HZ has been 100 on every architecture Node runs on; the uptime counts from the same boot as field 22.
  const uptime = Number.parseFloat(readFileSync('/proc/uptime', 'latin1'));
  return Date.now() - (uptime - startTime / 100) * 1000;
}

interface ProcessStat {
  readonly state: string;
  readonly parent: number;
  readonly startTime: number;
}

function stat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field is the command in parentheses and may itself hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0]!, parent: Number(fields[1]), startTime: Number(fields[19]) };
}
