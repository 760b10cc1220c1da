// What a mount leaves in the files of its diff: who serves it, how it ended, what it logged.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIdentity } from '../../src/sys/process-identity.js';

/** The process that holds the diff. */
export function diffOwner(diff: string): ProcessIdentity {
  return JSON.parse(readFileSync(join(diff, 'lock'), 'utf8')) as ProcessIdentity;
}

/** State of the last mount by the binding. */
export function lastMount(diff: string): { state: string; error?: string } {
  const binding = JSON.parse(readFileSync(join(diff, 'binding.json'), 'utf8')) as {
    lastMount: { state: string; error?: string };
  };
  return binding.lastMount;
}

export function mountLog(diff: string): string {
  return readFileSync(join(diff, 'pbkfs.log'), 'utf8');
}
