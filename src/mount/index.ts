// A mount's life: starting it in the foreground or the background, and ending it.

export { type ChainLock, lockChain } from './chain-lock/chain-lock.js';
export { launchMount } from './daemon.js';
export { runForegroundMount } from './foreground.js';
export { type OrphanedServer, stopOrphanedServers } from './orphaned-server.js';
export type { MountedInfo, MountRequest } from './request.js';
export { type ServeMount, serve } from './serve.js';
export { type Unmounted, unmount } from './unmount.js';
export { toWire, type WireError } from './wire-error.js';
