// The two chains that the tests of traps run on, a made-up one and a real one, and what they do on each.

import type t from 'tap';
import { extractCatalog } from '../support/catalogs.js';
import { DirectOverlay } from '../support/direct-overlay.js';
import { scratchDirectory, writeSmallCatalog } from '../support/small-catalog.js';

export const BLOCK = 8192;
const root = scratchDirectory();
/** A made-up chain. */
export const small = writeSmallCatalog(`${root}/catalog`);
const real = `${await extractCatalog('mini')}/catalog`;
const instanceOf = (catalog: string) => (catalog === real ? 'a' : 'main');
let diffs = 0;

export function mount(catalog: string, diff: string, materializeOnRead = false): DirectOverlay {
  return new DirectOverlay({ catalog, instance: instanceOf(catalog), diff, materializeOnRead });
}

/** A directory for a diff that nothing has used. */
export function newDiff(): string {
  return `${root}/diff${diffs++}`;
}

export interface Case {
  readonly name: string;
  readonly catalog: string;
  /** a datafile of at least three blocks, and a raw file of more than a block */
  readonly datafile: string;
  readonly raw: string;
}

function largest(catalog: string, isWanted: (path: string) => boolean): string {
  const direct = mount(catalog, newDiff());
  let found = '';
  for (const name of direct.readdir('base/1').keys()) {
    const path = `base/1/${name}`;
    if (isWanted(name) && (found === '' || direct.stat(path).size > direct.stat(found).size)) found = path;
  }
  direct.close();
  return found;
}

export const cases: readonly Case[] = [
  { name: 'made-up chain', catalog: small, datafile: 'base/1/100', raw: 'base/1/raw' },
  {
    name: 'real chain',
    catalog: real,
    datafile: largest(real, (name) => /^\d+$/.test(name)),
    raw: largest(real, (name) => /_fsm$/.test(name)),
  },
];

export function bytes(length: number, fill: number): Buffer {
  return Buffer.alloc(length, fill);
}

type Tap = Pick<typeof t, 'ok' | 'equal' | 'pass'>;

/** Runs `act`, then the same checks again after a clean remount and after a kill. */
export function survives(
  t: Tap,
  catalog: string,
  act: (direct: DirectOverlay) => void,
  check: (direct: DirectOverlay, when: string) => void,
): void {
  for (const end of ['close', 'kill'] as const) {
    const diff = newDiff();
    let direct = mount(catalog, diff);
    act(direct);
    check(direct, `before ${end}`);
    direct[end]();
    direct = mount(catalog, diff);
    check(direct, `after ${end}`);
    direct.close();
    direct = mount(catalog, diff);
    check(direct, `after ${end} and a clean remount`);
    direct.close();
  }
  t.pass('all of it after a clean remount and after a kill');
}

/** What the backup has of a file. */
export function original(catalog: string, path: string): Buffer {
  const direct = mount(catalog, newDiff());
  const content = direct.readAll(path);
  direct.close();
  return content;
}

export function equalBytes(t: Tap, got: Buffer, wanted: Buffer, what: string): void {
  t.equal(got.length, wanted.length, `${what}: size`);
  t.ok(got.equals(wanted), `${what}: content`);
}
