// Every parser of something on disk, given mutated and random bytes: a named error or a value, never a crash or a hang.

import { closeSync, copyFileSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { parseBackupControl } from '../../src/backup/backup-control.js';
import { parseConfigText } from '../../src/backup/config-text.js';
import { parseContentList } from '../../src/backup/content-parser.js';
import { HeaderEntries, readHeaderMap } from '../../src/backup/header-map.js';
import { backupIdOf } from '../../src/backup/index.js';
import { parsePgControl, pgControlCrc } from '../../src/backup/pg-control.js';
import { walkStream } from '../../src/backup/stream-walk.js';
import { parseTablespaceMap } from '../../src/backup/tablespace-map.js';
import type { StreamPart } from '../../src/backup/types.js';
import { PbkfsError } from '../../src/errors.js';
import { readBinding } from '../../src/mount/diff/binding.js';
import {
  bootId,
  closeObject,
  Journal,
  loadMap,
  NodeStorage,
  openObject,
  stateSize,
} from '../../src/overlay/diff/index.js';
import { decodeRecord } from '../../src/overlay/namespace/records.js';
import { startTime } from '../support/catalog-writer.js';
import { DirectOverlay } from '../support/direct-overlay.js';
import { scratchDirectory, smallFiles, writeSmallCatalog } from '../support/small-catalog.js';

const numRuns = Number(process.env.PBKFS_FUZZ_RUNS ?? 400);
const root = scratchDirectory();
const catalog = writeSmallCatalog(join(root, 'catalog'));
const backup = (n: number, name: string) => join(catalog, 'backups/main', backupIdOf(startTime(n)), name);

/** A few changes to real bytes: overwritten, cut out, put in, cut off. */
function mutations(seed: Buffer): fc.Arbitrary<Buffer> {
  const at = fc.nat(Math.max(0, seed.length - 1));
  const edit = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), at, bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }) }),
    fc.record({ kind: fc.constant('insert' as const), at, bytes: fc.uint8Array({ maxLength: 40 }) }),
    fc.record({ kind: fc.constant('remove' as const), at, bytes: fc.uint8Array({ maxLength: 40 }) }),
    fc.record({ kind: fc.constant('cut' as const), at, bytes: fc.constant(new Uint8Array()) }),
  );
  const mutated = fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => {
    let bytes = Buffer.from(seed);
    for (const { kind, at: position, bytes: data } of edits) {
      const here = Math.min(position, bytes.length);
      if (kind === 'set') bytes.set(data.subarray(0, bytes.length - here), here);
      else if (kind === 'cut') bytes = bytes.subarray(0, here);
      else {
        const rest = bytes.subarray(kind === 'remove' ? here + data.length : here);
        bytes = Buffer.concat([bytes.subarray(0, here), ...(kind === 'insert' ? [data] : []), rest]);
      }
    }
    return bytes;
  });
  return fc.oneof({ weight: 4, arbitrary: mutated }, fc.uint8Array({ maxLength: 400 }).map(Buffer.from));
}

function fuzz(name: string, seed: Buffer, parse: (bytes: Buffer) => void, accepts: (error: unknown) => boolean): void {
  t.test(name, (t) => {
    let refused = 0;
    fc.assert(
      fc.property(mutations(seed), (bytes) => {
        try {
          parse(bytes);
        } catch (error) {
          if (!accepts(error)) throw error;
          refused++;
        }
      }),
      { numRuns },
    );
    t.pass(`${name}: ${refused} of ${numRuns} refused`);
    t.end();
  });
}

const named = (error: unknown): boolean => error instanceof PbkfsError && error.code !== 'internal';
const never = (): boolean => false;

const control = readFileSync(backup(2, 'backup.control'));
fuzz('backup.control', control, (bytes) => void parseBackupControl(bytes, '/catalog/X', 'X'), never);
fuzz('pg_probackup.conf', control, (bytes) => void parseConfigText(bytes), never);
fuzz(
  'backup_content.control',
  readFileSync(backup(1, 'backup_content.control')),
  (bytes) => void parseContentList(bytes, 'X'),
  named,
);
fuzz(
  'tablespace_map',
  Buffer.from('16385 /production/space\n16386 /a b\\\\c\n'),
  (bytes) => void parseTablespaceMap(bytes),
  named,
);
fuzz('pg_control', Buffer.alloc(600, 7), (bytes) => void [pgControlCrc(bytes), parsePgControl(bytes)], never);

const file = join(root, 'fuzzed');
const part: StreamPart = {
  layer: 0,
  backupId: 'X',
  file,
  storedSize: 0,
  compressAlg: 'zlib',
  padded: false,
  cap: 0xffffffff,
  crc: 0,
  crcKind: 'crc32c',
  header: null,
  full: true,
  merged: false,
  nBlocks: -1,
  truncationMarkers: true,
  emptyRecords: true,
  fullSizeMayBeCompressed: true,
  pageChecksums: true,
};
const stream = readFileSync(backup(1, 'database/base/1/100'));
fuzz(
  'page streams',
  stream,
  (bytes) => {
    writeFileSync(file, bytes);
    const fd = openSync(file, 'r');
    try {
      for (const padded of [false, true])
        walkStream({ ...part, storedSize: bytes.length, padded }, fd, () => undefined);
    } finally {
      closeSync(fd);
    }
  },
  named,
);
const map = readFileSync(backup(1, 'page_header_map'));
fuzz(
  'header maps',
  map,
  (bytes) => {
    writeFileSync(file, bytes);
    const chunk = { file, off: 0, size: map.length, crc: 0, nHeaders: 7 };
    const entries = readHeaderMap({ ...part, storedSize: stream.length }, chunk);
    if (entries instanceof HeaderEntries) throw new Error('its CRC was wrong');
  },
  never,
);

/** A diff with a bit of everything, closed cleanly. */
const diff = join(root, 'diff');
const direct = new DirectOverlay({ catalog, diff });
direct.write('base/1/100', 8192, Buffer.alloc(8192, 9));
direct.write('base/1/raw', 100, Buffer.from('changed'));
direct.create('base/1/new').write(0, Buffer.from('new'));
direct.rename('base/1/small', 'base/1/renamed');
direct.unlink('base/2/200');
direct.close();
const journal = readFileSync(join(diff, 'journal'));
const storage = new NodeStorage();

t.test('journals: the records are those that were written, up to a point', (t) => {
  const copy = join(root, 'journal-fuzzed');
  mkdirSync(copy);
  const read = (bytes: Buffer): string[] => {
    writeFileSync(join(copy, 'journal'), bytes);
    const opened = Journal.open(storage, join(copy, 'journal'));
    opened.journal.close();
    return opened.records.map(({ payload }) => Buffer.from(payload).toString('latin1'));
  };
  const written = read(journal);
  t.ok(written.length > 5);
  for (const payload of written) decodeRecord(Buffer.from(payload, 'latin1'));
  let refused = 0;
  fc.assert(
    fc.property(mutations(journal), (bytes) => {
      try {
        const got = read(bytes);
        if (got.some((payload, i) => payload !== written[i])) throw new Error('a record that nobody wrote');
      } catch (error) {
        if (!named(error)) throw error;
        refused++;
      }
    }),
    { numRuns },
  );
  t.pass(`journals: ${refused} of ${numRuns} refused`);
  t.end();
});

fuzz(
  "records' payloads",
  Buffer.from('[1,["node",5,{"mode":1,"uid":0}],["link",1,"a",5]]'),
  (bytes) => void decodeRecord(bytes),
  named,
);

t.test('block maps: loaded or refused, and never a bit of another file', (t) => {
  const name = readdirSync(join(diff, 'objects')).find((entry) => entry.endsWith('.map'))!;
  const objectId = name.slice(0, -4);
  const seed = readFileSync(join(diff, 'objects', name));
  const length = [...smallFiles].map(([path, content]) => [path, content.length] as const);
  const copy = join(root, 'map-fuzzed');
  mkdirSync(copy);
  copyFileSync(join(diff, 'objects', objectId), join(copy, objectId));
  const [baseIdentity, baseLength] = length.find(([path]) => seed.includes(Buffer.from(path)))!;
  let loaded = 0;
  fc.assert(
    fc.property(mutations(seed), fc.boolean(), fc.boolean(), (bytes, afterPowerLoss, cleanlyClosed) => {
      writeFileSync(join(copy, name), bytes);
      const object = openObject(storage, copy, objectId);
      try {
        const region = { buffer: new SharedArrayBuffer(stateSize(baseLength)), byteOffset: 0 };
        const options = { baseIdentity, baseLength, bootId: bootId(), afterPowerLoss, cleanlyClosed };
        if (loadMap(storage, object, options, region) === 'loaded') loaded++;
      } catch (error) {
        if (!named(error)) throw error;
      } finally {
        closeObject(storage, object);
      }
    }),
    { numRuns },
  );
  t.pass(`block maps: ${numRuns - loaded} of ${numRuns} refused`);
  t.end();
});

const binding = {
  format: 'pbkfs diff',
  formatVersion: 1,
  catalog: '/backup',
  backup: { instance: 'main', backupId: 'X', startTime: 1, systemIdentifier: '7' },
  lastMount: { mountpoint: '/mnt', pid: 1, startTime: 1, bootId: 'b', state: 'clean' },
};
fuzz(
  'bindings',
  Buffer.from(JSON.stringify(binding)),
  (bytes) => {
    mkdirSync(join(root, 'binding'), { recursive: true });
    writeFileSync(join(root, 'binding/binding.json'), bytes);
    readBinding(join(root, 'binding'));
  },
  named,
);
