// Limits of the shell that a mount is started from: its process has them for life, and then nobody thinks of them.

import { processLimit } from '../../sys/process-limit.js';

/** What they will do to the mount, for whoever starts it. @param writes whether it has a diff */
export function inheritedLimits(writes: boolean): string[] {
  const seconds = processLimit('Max cpu time');
  const bytes = processLimit('Max file size');
  return [
    ...(Number.isFinite(seconds)
      ? [
          `the kernel kills this mount when its process has used ${seconds} s of processor time: it was started under "ulimit -t"`,
        ]
      : []),
    ...(writes && Number.isFinite(bytes)
      ? [
          `no file of the diff can be longer than ${bytes} bytes ("File too large"): the mount was started under "ulimit -f"`,
        ]
      : []),
  ];
}
