// What a test and its threads that work on a mount tell each other.

import type { WorkPlace } from '../random-work.js';

export interface MountedWorkData {
  readonly mountpoint: string;
  readonly seed: number;
  readonly place: WorkPlace;
  /** see `shared` */
  readonly shared: Int32Array;
}

/** Words of the shared memory: whether to stop, how many changes have been acknowledged, whether the mount may be dead. */
export const shared = { stop: 0, acknowledged: 1, killed: 2 } as const;

/** `work` until told to stop or the mount is gone; `check` what is there now. */
export type MountedWorkCommand = 'work' | 'check';

/** What is wrong; null when nothing is. */
export type MountedWorkAnswer = string | null;
