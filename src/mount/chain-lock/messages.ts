// The messages between the mount process and the process that holds the locks of its chain, over Node's IPC channel.
//
//     mount process                 lock holder
//        |  <------------------- hello  |     it has come up (child-process.ts)
//        |  take  ------------------->  |
//        |  <------------ held | failed |
//        |  (channel closed)  ------->  |     releases and ends; so it does when the mount process is killed

import type { WireError } from '../wire-error.js';

/** In place of the code of a system error: this process may not become the owner of the catalog, whose lock it would be. */
export const NOT_ITS_OWNER = 'not its owner';

export interface Take {
  readonly kind: 'take';
  /** Backup directories, absolute (latin1), FULL first. */
  readonly directories: readonly string[];
  /** The catalog's owner, whom the holder has to become; missing: it is that user already. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly waitMs: number;
}

/** A backup that could not be locked although nobody else holds it. */
export interface Unlocked {
  readonly directory: string;
  /** Code of the system error: EROFS, EACCES, ENOSPC …; or {@link NOT_ITS_OWNER}. */
  readonly code: string;
}

export type FromHolder =
  | { readonly kind: 'held'; readonly unlocked: readonly Unlocked[] }
  | { readonly kind: 'failed'; readonly error: WireError };
