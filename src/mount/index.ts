// A mount's life: starting it in the foreground or the background, and ending it.

export { lockChain } from './chain-lock/chain-lock.js';
export { launchMount } from './daemon.js';
export { cleanup } from './diff/cleanup.js';
export { runForegroundMount } from './foreground.js';
export { type MountInfo, readInfo, readProvenance } from './info.js';
export { listMounts, type MountSummary } from './list.js';
export { stopServersOn } from './orphaned-server.js';
export type { BlockOrigin, FileOrigin } from './provenance.js';
export type { MountRequest } from './request.js';
export { serve } from './serve.js';
export { type MountStat, readStat, resetStat } from './stat.js';
export { syncMount } from './sync.js';
export { mountpointOfDiff, type Unmounted, unmount, type Wait } from './unmount.js';
