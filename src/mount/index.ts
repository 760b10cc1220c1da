// What commands do with mounts: make them, look at them, sync, end and clean up.

export { lockChain } from './chain-lock/chain-lock.js';
export { launchMount } from './daemon.js';
export { cleanup } from './diff/cleanup.js';
export { stopServersOn } from './orphaned-server.js';
export type { MountRequest } from './request.js';
export { runForegroundMount } from './serving/foreground.js';
export { serve } from './serving/serve.js';
export { type MountInfo, readInfo, readProvenance } from './status/info.js';
export { listMounts, type MountSummary } from './status/list.js';
export type { BlockOrigin, FileOrigin } from './status/provenance.js';
export { type MountStat, readStat, resetStat } from './status/stat.js';
export { syncMount } from './sync.js';
export { mountpointOfDiff } from './unmount/diff-mountpoint.js';
export { type Unmounted, unmount } from './unmount/unmount.js';
export type { Wait } from './unmount/unmount-options.js';
