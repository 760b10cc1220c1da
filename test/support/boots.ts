// Restarts of the host as pbkfs sees them: by the boot id.

import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from './swept.js';

const PRELOAD = fileURLToPath(new URL('boot-id.cjs', import.meta.url));

/** A boot id of one's own, for this process until it ends and those started with `env`. One in a process. */
export class Boots {
  readonly #file: string;
  readonly env: Record<string, string>;

  constructor() {
    const directory = temporaryDirectory('pbkfs-boot-');
    process.on('exit', () => rmSync(directory, { recursive: true }));
    this.#file = join(directory, 'boot_id');
    this.next();
    process.env.PBKFS_TEST_BOOT_ID = this.#file;
    createRequire(import.meta.url)(PRELOAD);
    this.env = { NODE_OPTIONS: `--require=${PRELOAD}`, PBKFS_TEST_BOOT_ID: this.#file };
  }

  /** The host has been restarted. */
  next(): void {
    writeFileSync(this.#file, `${randomUUID()}\n`);
  }
}
