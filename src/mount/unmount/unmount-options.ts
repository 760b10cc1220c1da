// How to unmount, and what whoever waits for it is told.

/** What an unmount waits for. */
export type Wait =
  | { readonly for: 'users'; readonly mountpoint: string; readonly holders: string; readonly ms: number }
  | { readonly for: 'process'; readonly pid: number }
  /** Bind mounts of it are left, where the process goes on serving it. */
  | { readonly for: 'copies'; readonly pid: number; readonly holders: string }
  /** It is still mounted in other mount namespaces, whose processes are named; the process serves them until then. */
  | { readonly for: 'namespaces'; readonly pid: number; readonly holders: string };

export interface UnmountOptions {
  /**
   * `polite`: wait for the users. `force`: end the connection under them, they get errors; everything accepted is kept.
   * `lazy`: detach it and return at once.
   */
  readonly how?: 'polite' | 'force' | 'lazy';
  /** How long to wait for users to leave, and then for the process to end, in ms. */
  readonly stopTimeout?: number;
  /** Called once for each thing that has to be waited for. */
  readonly onWait?: (wait: Wait) => void;
  /** Silent time before the wait for the process is announced, in ms. */
  readonly patience?: number;
}

/** How often something is looked at that has to come to its end, in ms. */
export const POLL_MS = 20;
export const STOP_TIMEOUT_MS = 30_000;
