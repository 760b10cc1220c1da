// The server behind a mount, loaded only once it is needed: what fails before or only shows things never pays for it.

import type { ServeOptions, Server } from '../fs/serve-types.js';

/** Mounts and serves in this process; src/fs/server.ts has the real one, tests put a small one in its place. */
export type ServeMount = (options: ServeOptions) => Promise<Server>;

export const serve: ServeMount = async (options) => {
  if (options.backend === 'fuse-native') return (await loadNative()).serveNativeMount(options);
  return (await loadKernel()).serveMount(options);
};

const loadKernel = () => import('../fs/server.js');
const loadNative = () => import('../fs/native/native-server.js');

/** Loads what `serve` needs for this backend. */
export async function loadServer(backend: ServeOptions['backend']): Promise<void> {
  await (backend === 'fuse-native' ? loadNative() : loadKernel());
}
