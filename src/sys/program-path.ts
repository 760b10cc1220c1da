// Where the programs of the system are, also for a caller whose PATH is empty or leads elsewhere.

const USUAL = '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin';

/** PATH, and behind it the usual places. */
export function programPath(): string {
  const path = process.env.PATH;
  return path === undefined || path === '' ? USUAL : `${path}:${USUAL}`;
}
