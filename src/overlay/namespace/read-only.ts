// What stands in the place of a diff's journal and objects where there is no diff: nothing to read, nothing changes.

import { SystemError } from '../../errors.js';
import type { MappedObject } from './object-keeper.js';

/** The journal of a read-only mount: empty, and every record is refused, and with it the change that it is about. */
export class NoJournal {
  readonly appended = 0;
  readonly fd = -1;
  readonly size = 0;
  readonly isNameDurable = true;

  /** @throws EROFS */
  append(): number {
    throw new SystemError('EROFS');
  }

  sync(): void {}

  rewrite(): void {}

  noteSynced(): void {}

  noteSyncFailed(): void {}

  close(): void {}
}

/** The objects of a read-only mount: there are none. */
export class NoObjects {
  readonly directory = '';
  readonly waiting = 0;

  /** @throws EROFS */
  name(): string {
    throw new SystemError('EROFS');
  }

  /** @throws EROFS */
  createMapped(): MappedObject {
    throw new SystemError('EROFS');
  }

  discardMapped(): void {}

  removeAfter(): void {}

  removeUpTo(): number {
    return 0;
  }

  removeUnused(): void {}

  sync(): void {}

  close(): void {}
}
