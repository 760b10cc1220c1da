// What is said of a storage that fails, and fails again while what was begun is cleaned up.

import { writeFileSync } from 'node:fs';
import t from 'tap';
import {
  createObject,
  type DiffStorage,
  Journal,
  NodeStorage,
  newObjectId,
  openObject,
  stateSize,
} from '../../../src/overlay/diff/index.js';
import { objectPaths } from '../../../src/overlay/diff/object.js';
import { BOOT } from './file-under-test.js';

type Failing = 'pwrite' | 'rename' | 'fdatasync' | 'open for writing';

/** The first call of one kind fails with ENOSPC, and from then on every close with EIO. */
class FailingStorage extends NodeStorage {
  readonly #failing: Failing;
  #hasFailed = false;

  constructor(failing: Failing) {
    super();
    this.#failing = failing;
  }

  override open(...args: Parameters<DiffStorage['open']>): number {
    if (args[0].endsWith('.map') && args[1] === 'write') this.#fail('open for writing');
    return super.open(...args);
  }

  override pwrite(...args: Parameters<DiffStorage['pwrite']>): number {
    this.#fail('pwrite');
    return super.pwrite(...args);
  }

  override rename(...args: Parameters<DiffStorage['rename']>): void {
    this.#fail('rename');
    super.rename(...args);
  }

  override fdatasync(fd: number): void {
    this.#fail('fdatasync');
    super.fdatasync(fd);
  }

  override close(fd: number): void {
    super.close(fd);
    if (this.#hasFailed) throw Object.assign(new Error('EIO'), { code: 'EIO' });
  }

  #fail(call: Failing): void {
    if (call !== this.#failing) return;
    this.#hasFailed = true;
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  }
}

const region = { buffer: new SharedArrayBuffer(stateSize(8192)), byteOffset: 0 };
const create = (storage: DiffStorage, directory: string) =>
  createObject(storage, directory, { baseIdentity: 'B/base/1/2', baseLength: 8192, bootId: BOOT }, region);

function openedWithoutMap(storage: DiffStorage, directory: string): void {
  const id = newObjectId();
  writeFileSync(objectPaths(directory, id).data, '');
  openObject(storage, directory, id);
}

/** A journal that is there already, opened without trouble. */
function journalIn(directory: string, storage: DiffStorage = new NodeStorage()): Journal {
  return Journal.open(storage, `${directory}/journal`).journal;
}

const operations: Record<string, readonly [Failing, (storage: DiffStorage, directory: string) => unknown]> = {
  'creating an object': ['pwrite', create],
  'opening an object': ['open for writing', openedWithoutMap],
  'writing a new journal': ['pwrite', (storage, directory) => journalIn(directory, storage)],
  'naming a new journal': ['rename', (storage, directory) => journalIn(directory, storage)],
  'opening a journal': [
    'fdatasync',
    (storage, directory) => {
      journalIn(directory).close();
      journalIn(directory, storage);
    },
  ],
  'rewriting a journal': [
    'rename',
    (storage, directory) => {
      journalIn(directory).close();
      journalIn(directory, storage).rewrite([]);
    },
  ],
};

for (const [name, [failing, operate]] of Object.entries(operations)) {
  t.test(`${name}: the first error is told, not that of the close behind it`, async (t) => {
    t.throws(() => operate(new FailingStorage(failing), t.testdir()), { code: 'ENOSPC' });
  });
}
