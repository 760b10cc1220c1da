// The fault matrix of a diff: bytes of its journal and block maps flipped, its files cut at every kind of place. A mount
// shows exactly what was written, or refuses; also after a restart of the host.
//
// PBKFS_FAULT_STEP: every how many bytes (default 13; 1 is all).

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { shownBy, workedDiff, workedRoot } from '../support/worked-diff.js';

t.setTimeout(0);

const step = Number(process.env.PBKFS_FAULT_STEP ?? 13);
const diff = workedDiff(t, 'close');
const copy = join(workedRoot, 'damaged');
const truth = JSON.stringify([...shownBy(workedDiff(t, 'close'))]);
const files = ['journal', ...readdirSync(join(diff, 'objects')).map((name) => `objects/${name}`)];
const tally = { truth: 0, refused: 0 };

/** @returns what is wrong with what a mount shows of the copy */
function judge(afterPowerLoss: boolean): string | undefined {
  try {
    if (JSON.stringify([...shownBy(copy, afterPowerLoss)]) !== truth) return 'it shows something else';
    tally.truth++;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== 'diff_damaged' && code !== 'EIO') return `an error of no kind: ${(error as Error).stack}`;
    tally.refused++;
  }
  return undefined;
}

/** Damages one file of a copy that is otherwise whole. */
function tryFault(file: string, bytes: Buffer, afterPowerLoss: boolean): string | undefined {
  rmSync(copy, { recursive: true, force: true });
  cpSync(diff, copy, { recursive: true });
  writeFileSync(join(copy, file), bytes);
  return judge(afterPowerLoss);
}

for (const afterPowerLoss of [false, true]) {
  const when = afterPowerLoss ? 'after a restart of the host' : 'in the same boot';

  t.test(`flips in journal and block maps, ${when}`, (t) => {
    const wrong: string[] = [];
    // Data has no checksums of its own: PostgreSQL's pages have.
    for (const file of files.filter((name) => name === 'journal' || name.endsWith('.map'))) {
      const bytes = readFileSync(join(diff, file));
      for (let at = afterPowerLoss ? 3 : 0; at < bytes.length; at += interesting(bytes, at) ? step : 16 * step) {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 1 << (at % 8);
        const verdict = tryFault(file, damaged, afterPowerLoss);
        if (verdict !== undefined) wrong.push(`${file} byte ${at}: ${verdict}`);
      }
    }
    t.same(wrong.slice(0, 5), []);
    t.comment(`${JSON.stringify(tally)} of ${files.length} files`);
    t.ok(tally.truth > 20 && tally.refused > 50, 'most damage is seen');
    t.end();
  });

  t.test(`every file cut, emptied, zeroed, or gone, ${when}`, (t) => {
    const wrong: string[] = [];
    for (const file of files) {
      const bytes = readFileSync(join(diff, file));
      const lengths = [0, 1, Math.floor(bytes.length / 2), bytes.length - 8, bytes.length - 1, bytes.length];
      for (const length of new Set(lengths.filter((n) => n >= 0))) {
        const verdict =
          length === bytes.length
            ? gone(file, afterPowerLoss)
            : tryFault(file, bytes.subarray(0, length), afterPowerLoss);
        if (verdict !== undefined) wrong.push(`${file} cut to ${length} of ${bytes.length}: ${verdict}`);
      }
      if (/[0-9a-f]{32}$/.test(file)) continue;
      const verdict = tryFault(file, Buffer.alloc(bytes.length), afterPowerLoss);
      if (verdict !== undefined) wrong.push(`${file} zeroed: ${verdict}`);
    }
    t.same(wrong.slice(0, 5), []);
    t.end();
  });
}

function gone(file: string, afterPowerLoss: boolean): string | undefined {
  rmSync(copy, { recursive: true, force: true });
  cpSync(diff, copy, { recursive: true });
  rmSync(join(copy, file));
  return judge(afterPowerLoss);
}

/** Not in the middle of the zeros between the parts of a map. */
function interesting(bytes: Buffer, at: number): boolean {
  return bytes.subarray(at, at + 32).some((byte) => byte !== 0);
}
