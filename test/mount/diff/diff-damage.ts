// Every kind of damage that a diff can have, done to one that was mounted, changed in many ways and closed or killed.

import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type FsckResult, fsck } from '../../../src/mount/diff/fsck.js';
import { mapLayout } from '../../../src/overlay/diff/map-format.js';
import { smallFiles } from '../../support/small-catalog.js';
import { workedDiff } from '../../support/worked-diff.js';

const silent = (message: string): never => {
  throw new Error(message);
};
export const look = (diff: string): FsckResult => fsck({ diff, repair: false }, silent);
export const repair = (diff: string): FsckResult => fsck({ diff, repair: true }, silent);

export type Damage = (diff: string) => void;

const dataOf = (diff: string, path: string): string =>
  join(diff, 'objects', look(diff).objects.find((object) => object.path === path)!.objectId);
const mapOf = (diff: string, path: string): string => `${dataOf(diff, path)}.map`;

function edit(file: string, change: (bytes: Buffer) => Buffer | undefined): void {
  const bytes = readFileSync(file);
  writeFileSync(file, change(bytes) ?? bytes);
}

function flip(file: string, at: number): void {
  edit(file, (bytes) => {
    bytes[at < 0 ? bytes.length + at : at]! ^= 0x10;
    return bytes;
  });
}

/** Where things lie in the block map of base/1/100. */
const layout = mapLayout(smallFiles.get('base/1/100')!.length);
const HUNDRED = 'base/1/100';

/** Starts of the journal's records. */
function records(bytes: Buffer): number[] {
  const found: number[] = [];
  for (let at = 32; at + 24 <= bytes.length; at += Math.ceil((24 + bytes.readUInt32LE(at)) / 8) * 8) found.push(at);
  return found;
}

const journalOf = (diff: string): string => join(diff, 'journal');
export const binding = (diff: string, change: (document: { [name: string]: never }) => void): void => {
  const document = JSON.parse(readFileSync(join(diff, 'binding.json'), 'utf8'));
  change(document);
  writeFileSync(join(diff, 'binding.json'), JSON.stringify(document));
};

/** Broken beyond repair: told, refused by a mount, and left exactly as it is. All on a diff that ended cleanly. */
export const hopeless: readonly [name: string, damage: Damage, told: RegExp][] = [
  ['the journal is gone', (diff) => rmSync(journalOf(diff)), /has lost its journal/],
  ['the journal is empty', (diff) => truncateSync(journalOf(diff), 0), /journal .* broken header/],
  ["the journal's header is flipped", (diff) => flip(journalOf(diff), 20), /journal .* broken header/],
  [
    'the journal is of a newer format',
    (diff) => newer(journalOf(diff)),
    /version this program does not know|broken header/,
  ],
  ['a record in the middle is flipped', (diff) => flipRecord(diff, 2), /journal .* is broken after record/],
  ['the last record is flipped', (diff) => flip(journalOf(diff), -9), /journal .* is broken after record/],
  ['a record is taken out', (diff) => takeOut(diff, 3), /journal .* is broken after record/],
  ['the journal ends early', (diff) => cutRecords(diff, 4), /journal .* is broken after record/],
  [
    'the journal of another diff',
    (diff) => copyFileSync(journalOf(otherDiff()), journalOf(diff)),
    /its object is missing/,
  ],
  ["a map's identity is flipped", (diff) => flip(mapOf(diff, HUNDRED), 20), /100: block map .* first page|belongs to/],
  [
    'the map of another object',
    (diff) => copyFileSync(mapOf(diff, 'base/1/raw'), mapOf(diff, HUNDRED)),
    /100: block map .* belongs to/,
  ],
  [
    "a map's newest slot is flipped",
    (diff) => flip(mapOf(diff, HUNDRED), newestSlot(diff) + 30),
    /100: block map .* newest durable/,
  ],
  [
    "a map's current image is flipped",
    (diff) => flip(mapOf(diff, HUNDRED), layout.current + 20),
    /100: block map .* current image/,
  ],
  [
    "a bit of a map's current image is flipped",
    (diff) => flip(mapOf(diff, HUNDRED), layout.current + 80),
    /100: block map .* not its durable one/,
  ],
  ['a map is cut', (diff) => truncateSync(mapOf(diff, HUNDRED), layout.current), /100: block map/],
  ['a map is empty', (diff) => truncateSync(mapOf(diff, HUNDRED), 0), /100: block map/],
  ['a map is gone', (diff) => rmSync(mapOf(diff, HUNDRED)), /100: its object is missing/],
  ['an object is gone', (diff) => rmSync(dataOf(diff, HUNDRED)), /100: its object is missing/],
  [
    'an object over the backup is cut',
    (diff) => truncateSync(dataOf(diff, HUNDRED), 8192),
    /100: block map .* its object has 8192/,
  ],
  [
    'an object of its own is cut',
    (diff) => truncateSync(dataOf(diff, 'base/2/new'), 4),
    /base\/2\/new: its object has 4 bytes/,
  ],
  ['all objects are gone', (diff) => rmSync(join(diff, 'objects'), { recursive: true }), /its object is missing/],
];

function newer(journal: string): void {
  edit(journal, (bytes) => void bytes.writeUInt32LE(9, 8));
}

function flipRecord(diff: string, which: number): void {
  flip(journalOf(diff), records(readFileSync(journalOf(diff)))[which]! + 30);
}

function takeOut(diff: string, which: number): void {
  edit(journalOf(diff), (bytes) => {
    const starts = records(bytes);
    return Buffer.concat([bytes.subarray(0, starts[which]), bytes.subarray(starts[which + 1])]);
  });
}

function cutRecords(diff: string, left: number): void {
  edit(journalOf(diff), (bytes) => bytes.subarray(0, records(bytes)[left]));
}

function otherDiff(): string {
  return workedDiff(t, 'close');
}

function newestSlot(diff: string): number {
  const bytes = readFileSync(mapOf(diff, HUNDRED));
  const [a, b] = layout.slots.map((at) =>
    bytes.toString('latin1', at, at + 4) === 'PBKD' ? bytes.readBigUInt64LE(at + 8) : -1n,
  );
  return a! > b! ? layout.slots[0]! : layout.slots[1]!;
}

/** What a kill, a power cut or a person can leave beside a sound diff. */
export const harmless: readonly [name: string, end: 'close' | 'kill', damage: Damage, repaired: RegExp | null][] = [
  [
    'a torn tail',
    'kill',
    (diff) => edit(journalOf(diff), (bytes) => Buffer.concat([bytes, Buffer.alloc(37, 0x5a)])),
    /cut 37 torn/,
  ],
  ['the last record twice', 'kill', (diff) => repeatLast(diff), /cut \d+ torn/],
  [
    'a rewrite of the journal that was cut off',
    'kill',
    (diff) => writeFileSync(`${journalOf(diff)}.new`, 'half'),
    /compact/,
  ],
  [
    'an object without a name',
    'kill',
    (diff) => writeFileSync(join(diff, 'objects', 'f'.repeat(32)), 'x'),
    /remove 1 orphaned/,
  ],
  [
    'half an object',
    'kill',
    (diff) => writeFileSync(join(diff, 'objects', `${'e'.repeat(32)}.map`), 'x'),
    /remove 1 orphaned/,
  ],
  ['the older slot of a map flipped', 'close', (diff) => flipOlderSlot(diff), null],
  [
    'a lock of a process that is gone',
    'close',
    (diff) => writeFileSync(join(diff, 'lock'), '{"pid":999999999,"mountpoint":"/mnt/gone"}'),
    null,
  ],
  ['a lock of nonsense', 'close', (diff) => writeFileSync(join(diff, 'lock'), '\0\xff{'), null],
  ['no lock', 'close', (diff) => rmSync(join(diff, 'lock'), { force: true }), null],
];

function repeatLast(diff: string): void {
  edit(journalOf(diff), (bytes) => Buffer.concat([bytes, bytes.subarray(records(bytes).at(-1))]));
}

function flipOlderSlot(diff: string): void {
  const older = layout.slots.find((at) => at !== newestSlot(diff))!;
  flip(mapOf(diff, HUNDRED), older + 30);
}
