// Threads that write and sync files by the code of data threads, and one that appends to the journal and shortens it, on a
// disk of the test's own; to be run in every order, see test/support/interleave.

import type { DataEngine } from '../../../src/overlay/data/data-engine.js';
import type { JournalCompactor } from '../../../src/overlay/journal-compactor.js';
import { rowFlag, rowKind, word } from '../../../src/overlay/shared/row-layout.js';
import { control, type SharedState } from '../../../src/overlay/shared/shared-state.js';
import { loadStepwise, type Mistake } from '../../support/interleave/stepwise.js';
import { act, device, finish, run, type Thread } from '../../support/interleave/threads.js';
import type { Scenario } from '../../support/interleave/world.js';

const MODULES = [
  'pending/barrier',
  'pending/mutex',
  'overlay/shared/file-table',
  'overlay/shared/shared-state',
  'overlay/shared/diff-budget',
  'overlay/data/unflushed',
  'overlay/data/group-sync',
  'overlay/data/file-sync',
  'overlay/data/changes',
  'overlay/data/data-engine',
  'overlay/journal-compactor',
];

/** What a thread does: writes to a row, syncs it, syncs everything; the namespace thread's part: append, shorten. */
export type Work = readonly ['write' | 'sync', number] | readonly ['sync all' | 'append' | 'shorten'];

/** Rows: a file made on the mount, and one of the backup. */
export const PLAIN = 1;
export const BASED = 2;
const JOURNAL_FD = 7;

interface Parts {
  SharedState: typeof SharedState;
  DataEngine: typeof DataEngine;
  JournalCompactor: typeof JournalCompactor;
}

/** Writes to each row, and how many of them are on the disk; the same of journal records. */
let disk = { written: [0, 0, 0], durable: [0, 0, 0], appended: 0, journal: 0 };

function writes(row: number): Thread {
  return act({ name: 'writes', run: () => disk.written[row]++ });
}

function becomesDurable(row: number, count: () => number): Thread {
  return act({ name: 'fdatasync', run: () => (disk.durable[row] = Math.max(disk.durable[row], count())) });
}

/** In place of plain-files.ts. */
export class PlainFiles {
  *write(row: number, _: number, __: Uint8Array, ___: number, length: number): Thread {
    yield* writes(row);
    return length;
  }

  sync(row: number): Thread {
    return becomesDurable(row, () => disk.written[row]);
  }
}

/** In place of based-files.ts. */
export class BasedFiles {
  file(row: number): unknown {
    return {
      growth: () => 0,
      write: () => writes(row),
      snapshot: () => disk.written[row],
      *sync(takeSnapshot: () => unknown): Thread<void> {
        const count = (yield* run(takeSnapshot())) as number;
        yield* becomesDurable(row, () => count);
      },
    };
  }
}

/** @param work of each thread */
export async function engineThreads(
  work: readonly (readonly Work[])[],
  mistakes: readonly Mistake[] = [],
): Promise<() => Scenario> {
  const parts = (await loadStepwise(MODULES, {
    mistakes,
    instead: { './plain-files.js': import.meta.url, './based-files.js': import.meta.url },
  })) as unknown as Parts;
  return () => scenarioOf(work, parts);
}

function scenarioOf(work: readonly (readonly Work[])[], parts: Parts): Scenario {
  const shared = finish(parts.SharedState.create(new SharedArrayBuffer(64), 8, 1 << 12));
  const { table, control: words } = shared;
  disk = { written: [0, 0, 0], durable: [0, 0, 0], appended: 0, journal: 0 };
  words[control.journalFd] = JOURNAL_FD;
  for (const [row, kind] of [
    [PLAIN, rowKind.plain],
    [BASED, rowKind.based],
  ] as const) {
    finish(table.set(row, word.kind, kind));
    finish(table.addFlag(row, rowFlag.object));
  }
  device.sync = (fd) =>
    act({ name: 'fdatasync', run: () => (disk.journal = fd === JOURNAL_FD ? disk.appended : disk.journal) });
  const engineOf = (): DataEngine =>
    new parts.DataEngine({
      shared,
      objects: '',
      fdLimit: 8,
      materializeOnRead: false,
      counters: { add: () => undefined },
      warn: () => undefined,
      namespace: {
        holdUnsynced: (after: number) => ({
          rows:
            after === 0
              ? [
                  [PLAIN, 0],
                  [BASED, 0],
                ]
              : [],
          newest: 2,
          after: 2,
        }),
        release: () => undefined,
      },
    } as never);
  const compactor = new parts.JournalCompactor({
    words,
    syncObjects: () => undefined,
    snapshot: () => [],
    warn: (message: string) => {
      throw new Error(message);
    },
    compactFrom: 1,
    journal: {
      get size() {
        return disk.appended * 10;
      },
      get appended() {
        return disk.appended;
      },
      isNameDurable: true,
      rewrite: () => act({ name: 'rewrites', run: () => (disk.journal = disk.appended) }),
    },
  } as never);

  function* synced(rows: readonly number[], sync: () => unknown): Thread {
    const begin = (): string => JSON.stringify([words[control.journalAppended], ...disk.written]);
    const [records, ...written] = JSON.parse((yield* act({ name: 'begins', run: begin })) as string) as number[];
    yield* run(sync());
    for (const row of rows)
      if (disk.durable[row] < written[row]) throw new Error(`synced, but not all of row ${row} is durable`);
    if (disk.journal < records) throw new Error('synced, but not all of the journal is durable');
    return undefined;
  }

  function* thread(list: readonly Work[]): Thread {
    const engine = engineOf();
    for (const [what, row = 0] of list) {
      if (what === 'write') yield* run(engine.write(row, 0, new Uint8Array(1), 0, 1, 0, false));
      else if (what === 'sync') yield* synced([row], () => engine.sync(row, 0));
      else if (what === 'sync all') yield* synced([PLAIN, BASED], () => engine.syncAll());
      else if (what === 'shorten') yield* run(compactor.runIfDue());
      else {
        yield* act({ name: 'appends', run: () => disk.appended++ });
        yield { kind: 'store', args: [words, control.journalAppended, disk.appended] };
      }
    }
    return undefined;
  }

  return {
    memory: [shared.buffers.control, table.buffer],
    threads: Object.fromEntries(work.map((list, i) => [`thread ${i}`, () => thread(list)])),
    state: () => JSON.stringify(disk),
  };
}
