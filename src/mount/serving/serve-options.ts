// What the server behind a mount is told: from the request, and what preparing it has found.

import { type Chain, openCatalog } from '../../backup/index.js';
import { walDirectory } from '../../backup/wal/index.js';
import { PbkfsError } from '../../errors.js';
import type { ChainLockState, ServeOptions } from '../../fs/serve-types.js';
import { given } from '../../given.js';
import type { Logger } from '../../log.js';
import { mayAllowOther } from '../../sys/fuse-mount.js';
import { fileOwner } from '../file-owner.js';
import type { MountRequest } from '../request.js';
import { listCacheOf } from './list-cache.js';
import type { CheckedPaths } from './preflight.js';

/** @throws PbkfsError mount_failed for --allow-other where this user may not */
export function serveOptions(
  request: MountRequest,
  paths: CheckedPaths,
  chain: Chain,
  chainLock: ChainLockState,
  metricsAddress: string | undefined,
  log: Logger,
): ServeOptions {
  const { threads, cacheSize, readAhead, backend, diffLimit, fsname } = request;
  return {
    catalog: paths.catalog,
    instance: chain.instance,
    chain,
    wal: walOf(paths.catalog, chain.instance),
    diff: paths.diff ?? null,
    mountpoint: paths.mountpoint,
    ...fileOwner(request, paths.owner),
    allowOther: allowOther(request),
    ...given({ threads, cacheSize, readAhead, backend, diffLimit, metricsAddress, fsname }),
    ...given({ logFile: paths.logFile, activitySeconds: request.logActivity }),
    materializeOnRead: request.materializeOnRead,
    afterPowerLoss: request.afterPowerLoss,
    perfUnsafe: request.perfUnsafe ?? false,
    noWal: request.noWal ?? false,
    passthrough: request.passthrough ?? false,
    lowLatency: request.lowLatency ?? false,
    ...listCacheOf(request),
    verify: request.verify ?? 'checksum',
    chainLock,
    log,
  };
}

/** The WAL archive of an instance. */
export function walOf(catalog: string, instance: string): ServeOptions['wal'] {
  const { xlogSegSize } = openCatalog(catalog).config(instance);
  return { directory: walDirectory(catalog, instance), segmentSize: xlogSegSize };
}

function allowOther(request: MountRequest): boolean {
  const permitted = mayAllowOther();
  if (request.allowOther !== true || permitted) return request.allowOther ?? permitted;
  throw new PbkfsError('mount_failed', 'this user may not let others use a mount', {
    hint: 'put the line user_allow_other into /etc/fuse.conf, or mount without --allow-other, for this user alone',
  });
}
