// The server behind a mount, loaded only once it is needed: what fails before or only shows things never pays for it.

import { dismissNamespaceThread } from '../../fs/namespace-worker.js';
import type { ServeOptions, Server } from '../../fs/serve-types.js';
import { loadLogging } from '../../log.js';

/** Mounts and serves in this process; src/fs/server.ts has the real one, tests put a small one in its place. */
export type ServeMount = (options: ServeOptions) => Promise<Server>;

export const serve: ServeMount = async (options) => {
  if (options.backend === 'fuse-native') {
    dismissNamespaceThread();
    return (await loadNative()).serveNativeMount(options);
  }
  return (await loadKernel()).serveMount(options);
};

const loadKernel = () => import('../../fs/server.js');
const loadNative = () => import('../../fs/native/native-server.js');

/** The process that holds the locks takes its time to come up: what this one needs next is loaded now. Never throws. */
export function loadMeanwhile(backend: ServeOptions['backend']): void {
  const server: Promise<unknown> = backend === 'fuse-native' ? loadNative() : loadKernel();
  // What cannot be loaded fails when it is needed.
  server.catch(() => undefined);
}

/** Loads what the first line of the log needs, as soon as this thread has nothing else to do. Never throws. */
export function loadLoggingSoon(): void {
  setImmediate(() => {
    try {
      loadLogging();
    } catch {
      // Likewise.
    }
  });
}
