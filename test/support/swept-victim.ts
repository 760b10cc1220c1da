// A test process that is killed while a program of its own runs below its directory and, as root, something is mounted.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { identityOf } from '../../src/sys/process-identity.js';
import { temporaryDirectory } from './swept.js';

const directory = temporaryDirectory('pbkfs-swept-');
const mountpoint = join(directory, 'mount');
mkdirSync(mountpoint);
if (process.getuid?.() === 0) spawnSync('mount', ['-t', 'tmpfs', 'pbkfs-swept', mountpoint]);
writeFileSync(join(mountpoint, 'file'), 'x');
const program = spawn('sh', ['-c', 'sleep 600; :', 'sh', join(directory, 'argument')], {
  detached: true,
  stdio: 'ignore',
});
writeSync(1, JSON.stringify({ directory, program: identityOf(program.pid!) }));
process.kill(process.pid, 'SIGKILL');
