// From a claimed diff to a mount that is served: its address listened on, the chain locked, recovery decided, the server up.

import type { Server } from '../../fs/serve-types.js';
import { given } from '../../given.js';
import type { Logger } from '../../log.js';
import type { RecoveryConfig } from '../../postgres/recovery-config.js';
import { ChainKeeper } from '../chain-lock/keeper.js';
import type { MountRequest } from '../request.js';
import { MetricsEndpoint } from './metrics-endpoint.js';
import type { PreparedMount } from './prepare.js';
import { recoveryFor } from './recovery.js';
import { loadLoggingSoon, loadMeanwhile, type ServeMount } from './serve.js';
import { serveOptions } from './serve-options.js';

/** What makes up a mount that is served. */
export interface ServedMount {
  readonly server: Server;
  readonly keeper: ChainKeeper;
  /** Missing without --metrics-listen. */
  readonly metrics?: MetricsEndpoint;
  /** Settings that are to be written through the mount. */
  readonly recovery?: RecoveryConfig;
}

/** @throws PbkfsError with the reason; nothing is mounted, locked or listened on then, and the claim is still to be undone */
export async function bringUp(
  request: MountRequest,
  prepared: PreparedMount,
  serve: ServeMount,
  log: Logger,
): Promise<ServedMount> {
  const { paths, claim } = prepared;
  const { metricsListen } = request;
  const metrics = metricsListen === undefined ? undefined : await MetricsEndpoint.open(metricsListen, paths.mountpoint);
  let keeper: ChainKeeper | undefined;
  try {
    const locking = ChainKeeper.lock(prepared.chain, log);
    loadMeanwhile(request.backend);
    keeper = await locking;
    const chain = prepared.recheck();
    const recovery = recoveryFor(request, paths.catalog, chain, claim.fresh, claim.unwritten);
    if (recovery !== undefined) claim.willWrite(recovery);
    const starting = serve(serveOptions(request, paths, chain, keeper, metrics?.address, log));
    // The thread of names reads the lists now.
    loadLoggingSoon();
    const server = await starting;
    metrics?.serve(server.report);
    return { server, keeper, ...given({ metrics, recovery }) };
  } catch (error) {
    metrics?.close();
    await keeper?.release();
    throw error;
  }
}
