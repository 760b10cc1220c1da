// How start and rescue make what must not be left behind.

import type { Guarded } from '../session/guarded.js';
import type { SessionProgress } from '../session/session-request.js';
import { sessionProgress } from './session-progress.js';

/**
 * Runs what makes a session, away from the directory it was called in. When it fails, or after Ctrl-C, all that it has made
 * is taken away before this rejects or the process ends; when it returns, it has told the guard what stays.
 */
export async function guardedSession<T>(
  run: (guard: Guarded, progress: SessionProgress & { clear(): void }) => Promise<T>,
): Promise<T> {
  const { Guarded } = await import('../session/guarded.js');
  const { withRefusedReads } = await import('../session/refused-reads.js');
  process.chdir('/');
  const began = Date.now();
  const guard = new Guarded();
  const progress = sessionProgress();
  try {
    return await run(guard, progress);
  } catch (error) {
    progress.clear();
    // After Ctrl-C whatever was under way fails; the signal says why.
    if (guard.interrupted) await new Promise(() => undefined);
    // The log may be gone with the rest.
    const explained = withRefusedReads(error, guard.mountpoint, began);
    await guard.finish();
    throw explained;
  }
}
