// Diffs that were mounted, changed in many ways, and then closed or killed: to be looked at, damaged and repaired.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { backupIdOf } from '../../src/backup/index.js';
import { writeBinding } from '../../src/mount/diff/binding.js';
import { selfIdentity } from '../../src/sys/process-identity.js';
import { startTime } from './catalog-writer.js';
import { DirectOverlay } from './direct-overlay.js';
import type { Teardown } from './postgres.js';
import { scratchDirectory, writeSmallCatalog } from './small-catalog.js';

export const workedRoot = scratchDirectory();
export const workedCatalog = writeSmallCatalog(join(workedRoot, 'catalog'));
/** What the changed blocks hold. */
export const workedPage = Buffer.alloc(8192, 7);
let made = 0;

/** A diff that was mounted, changed in many ways, and then closed or killed. */
export function workedDiff(t: Teardown, end: 'close' | 'kill'): string {
  const diff = join(workedRoot, `diff${made++}`);
  t.teardown(() => rmSync(diff, { recursive: true, force: true }));
  const direct = new DirectOverlay({ catalog: workedCatalog, diff });
  direct.write('base/1/100', 8192, workedPage);
  direct.fsync('base/1/100');
  direct.write('base/1/100', 3 * 8192, workedPage);
  direct.write('base/1/raw', 5, Buffer.from('changed'));
  direct.create('base/2/new').write(0, Buffer.from('made here'));
  direct.mkdir('base/6');
  direct.rename('base/1/small', 'base/6/moved');
  direct.write('base/6/moved', 0, Buffer.from('x'));
  direct.unlink('base/2/200');
  direct[end]();
  writeBinding(diff, {
    catalog: workedCatalog,
    backup: { instance: 'main', backupId: backupIdOf(startTime(3)), startTime: startTime(3), systemIdentifier: '7' },
    lastMount: {
      // Of a process that is gone.
      ...{ ...selfIdentity(), startTime: 1 },
      mountpoint: '/mnt/gone',
      state: end === 'close' ? 'clean' : 'mounted',
    },
  });
  return diff;
}

/** Every byte of a diff, in one hash. */
export function fingerprint(diff: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(diff, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(diff, name);
    if (statSync(path).isFile()) hash.update(`${name}\n`).update(readFileSync(path));
  }
  return hash.digest('hex');
}

/** Everything that a mount of the diff shows below base: mode, and content of files, by path. @throws as a mount does */
export function shownBy(diff: string, afterPowerLoss = false): Map<string, string> {
  const direct = new DirectOverlay({ catalog: workedCatalog, diff, afterPowerLoss });
  const shown = new Map<string, string>();
  const walk = (directory: string): void => {
    for (const name of direct.readdir(directory).keys()) {
      const path = `${directory}/${name}`;
      const { mode, size } = direct.stat(path);
      const isDirectory = (mode & 0o170000) === 0o040000;
      shown.set(path, `${mode.toString(8)} ${isDirectory ? '' : `${size} ${hashOf(direct.readAll(path))}`}`);
      if (isDirectory) walk(path);
    }
  };
  try {
    walk('base');
    return shown;
  } finally {
    direct.kill();
  }
}

function hashOf(data: Buffer): string {
  return createHash('sha256').update(data).digest('base64');
}
