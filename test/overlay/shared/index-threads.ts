// Threads that use block indexes by the code that data threads use them by, one that forgets a file and gives its row to
// another one, and memory for one index only; to be run in every order, see test/support/interleave.

import type { FileSource } from '../../../src/backup/index.js';
import type { IndexContext, SharedIndex } from '../../../src/overlay/data/shared-index.js';
import type { IndexCache } from '../../../src/overlay/shared/index-cache.js';
import { double, indexState, word } from '../../../src/overlay/shared/row-layout.js';
import type { SharedState } from '../../../src/overlay/shared/shared-state.js';
import { loadStepwise, type Mistake } from '../../support/interleave/stepwise.js';
import { act, finish, type Thread } from '../../support/interleave/threads.js';
import type { Scenario } from '../../support/interleave/world.js';

const SHARED = 'overlay/shared';
const MODULES = [
  'pending/mutex',
  `${SHARED}/arena`,
  `${SHARED}/file-table`,
  `${SHARED}/index-users`,
  `${SHARED}/index-cache`,
  `${SHARED}/shared-state`,
  'overlay/data/shared-index',
];
const BLOCKS = 8;

interface Parts {
  SharedState: typeof SharedState;
  SharedIndex: typeof SharedIndex;
  IndexCache: typeof IndexCache;
}

/** A file: its row, and whether that belongs to another file before. */
export interface File {
  readonly row: number;
  readonly later?: boolean;
}

interface Source {
  readonly kind: 'datafile';
  readonly nBlocks: number;
  readonly mark: number;
}

/** What the real one does with the streams of the backup. */
export function* buildBlockIndex({ mark }: Source, index: { offset: Uint32Array; checksum: Uint16Array }): Thread {
  yield* act({
    name: 'builds',
    run: () => {
      index.offset.fill(mark);
      index.checksum.fill(mark);
    },
  });
  return { problems: [] };
}

/** @param uses of each thread: the files it reads, one after the other; a row that two files have is forgotten between */
export async function indexThreads(
  uses: readonly (readonly File[])[],
  mistakes: readonly Mistake[] = [],
): Promise<() => Scenario> {
  const parts = (await loadStepwise(MODULES, {
    mistakes,
    plain: [`${SHARED}/index-cache`, `${SHARED}/file-table`],
    instead: { '../../backup/index.js': import.meta.url },
  })) as unknown as Parts;
  return () => scenarioOf(uses, parts);
}

function scenarioOf(uses: readonly (readonly File[])[], parts: Parts): Scenario {
  const shared = finish(parts.SharedState.create(new SharedArrayBuffer(64), 8, 1 << 16));
  const { table, arena } = shared;
  shared.indexLimit = 128;
  const isLater = ({ later }: File): boolean => later === true;
  const row = uses.flat().find(isLater)?.row ?? 0;
  let before = uses.flat().filter((file) => file.row === row && !isLater(file)).length;
  let forgotten = false;

  function* reader(files: readonly File[]): Thread {
    const cache = new parts.IndexCache(shared);
    const context = { shared, cache, counters: { add: () => undefined }, warn: () => undefined };
    const kept = new Map<number, SharedIndex>();
    for (const file of files) {
      const mark = file.row * 2 + Number(isLater(file));
      if (isLater(file)) yield* act({ name: 'wait for row', enabled: () => forgotten, run: () => undefined });
      const source: Source = { kind: 'datafile', nBlocks: BLOCKS, mark };
      const index =
        kept.get(mark) ??
        new parts.SharedIndex(context as unknown as IndexContext, file.row, source as unknown as FileSource);
      kept.set(mark, index);
      const views = (yield* index.open() as unknown as Thread) as { offset: Uint32Array; checksum: Uint16Array };
      yield* act({
        name: 'uses',
        run: () => {
          const found = [...views.offset, ...views.checksum].filter((seen) => seen !== mark);
          if (found.length > 0) throw new Error(`file ${mark} reads ${found[0]}`);
        },
      });
      yield* index.close() as unknown as Thread;
      if (file.row === row && !isLater(file)) before--;
    }
    return undefined;
  }

  /** As the namespace thread does it: Overlay.forget and Rows.attach. */
  function* namespace(): Thread {
    const cache = new parts.IndexCache(shared);
    yield* act({ name: 'wait for FORGET', enabled: () => before === 0, run: () => undefined });
    yield* cache.release(row) as unknown as Thread;
    yield* table.setDouble(row, double.indexOffset, 0) as unknown as Thread;
    yield* table.set(row, word.indexState, indexState.none) as unknown as Thread;
    yield* act({ name: 'attach', run: () => (forgotten = true) });
    return undefined;
  }

  return {
    memory: [shared.buffers.control, table.buffer, arena.buffer, shared.buffers.indexUsers],
    threads: {
      ...Object.fromEntries(uses.map((files, i) => [`reader ${i}`, () => reader(files)])),
      ...(row > 0 ? { namespace } : {}),
    },
    state: () => `${before} ${forgotten}`,
    ended: (view) => {
      if (Object.values(view).some((place) => place !== 'ended')) throw new Error('somebody sleeps for ever');
      let ready = 0;
      for (let i = 0; i < table.rows; i++) {
        const state = finish(table.get(i, word.indexState));
        if (state !== indexState.none && state !== indexState.ready) throw new Error(`row ${i} is left in ${state}`);
        if (state === indexState.ready) ready++;
      }
      if (finish(arena.bytesInUse()) !== ready * 128)
        throw new Error(`leaked: ${finish(arena.bytesInUse())}, ${ready} ready`);
    },
  };
}
