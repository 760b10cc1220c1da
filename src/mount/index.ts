// A mount's life: starting it in the foreground or the background, and ending it.

export { type ChainLock, lockChain } from './chain-lock/chain-lock.js';
export { type Cleaned, cleanup } from './cleanup.js';
export { launchMount } from './daemon.js';
export { runForegroundMount } from './foreground.js';
export { type MountInfo, readInfo, readProvenance } from './info.js';
export { listMounts, type MountHealth, type MountSummary } from './list.js';
export { type OrphanedServer, stopOrphanedServers, stopServersOn } from './orphaned-server.js';
export type { BlockOrigin, ChecksumState, FileOrigin, Provenance } from './provenance.js';
export type { MountedInfo, MountRequest } from './request.js';
export { type ServeMount, serve } from './serve.js';
export { type MountStat, readStat, resetStat } from './stat.js';
export { syncMount } from './sync.js';
export { mountpointOfDiff, type Unmounted, type UnmountOptions, unmount, type Wait } from './unmount.js';
export { toWire, type WireError } from './wire-error.js';
