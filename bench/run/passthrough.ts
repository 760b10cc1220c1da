// libfuse's own example of a multi-threaded C server, compiled from where Debian's libfuse3-dev puts its source.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../test/support/run.js';
import type { Stage } from './stage.js';

const SOURCE = '/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c';

/** The compiled program, or what is missing to have one. */
export async function passthroughProgram(stage: Stage): Promise<{ path: string } | { missing: string }> {
  if (!existsSync(SOURCE)) return { missing: `${SOURCE} does not exist (Debian: apt-get install libfuse3-dev)` };
  const path = join(stage.make('compiled'), 'passthrough_ll');
  const line = `cc -O2 '${SOURCE}' $(pkg-config fuse3 --cflags --libs) -o '${path}'`;
  const { status, stderr } = await run('sh', ['-c', line]);
  return status === 0 ? { path } : { missing: `${SOURCE} cannot be compiled: ${stderr.trim().split('\n')[0]}` };
}
