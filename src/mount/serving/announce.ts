// Making a mount known that can be used now: to the registry, the log, whoever started it, and the service manager.

import { checksumSwitch, externalDirectories, memberIds, passedOverWarning } from '../../backup/index.js';
import type { BackendInfo } from '../../fs/serve-types.js';
import { given } from '../../given.js';
import type { Logger } from '../../log.js';
import { mountOn } from '../../sys/mountinfo.js';
import { selfIdentity } from '../../sys/process-identity.js';
import { notifyManager } from '../../sys/systemd.js';
import { leftOut } from '../left-out.js';
import { register } from '../registry.js';
import type { MountedInfo, MountRequest } from '../request.js';
import { inheritedLimits } from './inherited-limits.js';
import { writePidFile } from './pid-file.js';
import type { PreparedMount } from './prepare.js';

/** What there is to tell. */
export interface Known {
  readonly request: MountRequest;
  readonly prepared: PreparedMount;
  /** Of locking the chain. */
  readonly warnings: readonly string[];
  readonly server: BackendInfo | undefined;
  readonly metricsAddress?: string;
  readonly log: Logger;
}

const NO_WAL = 'no WAL is kept: the end of this mount is the end of its diff, which cannot be mounted again';

/**
 * @param tell whoever started the mount
 * @throws what `tell` does, or a system error of the pid file: then nobody knows of the mount, and it must end
 */
export async function announce(known: Known, tell: (info: MountedInfo) => Promise<void>): Promise<void> {
  const { request, prepared, warnings, server, metricsAddress, log } = known;
  const { paths, chain } = prepared;
  const { instance, target, members } = chain;
  const { mountpoint, diff, catalog } = paths;
  enterIntoRegistry(known);
  // Whoever mounts a diff again has been told.
  const first = prepared.claim.fresh || request.readOnly;
  const own = [
    ...(request.noWal ? [NO_WAL] : []),
    ...inheritedLimits(!request.readOnly),
    ...(first ? [...passedOverWarning(chain), ...checksumSwitch(chain)] : []),
  ];
  const external = first ? externalDirectories(target) : [];
  for (const warning of [...own, ...leftOut(external)]) log.warn(warning);
  const info = {
    pid: process.pid,
    mountpoint,
    instance,
    backupId: target.id,
    backend: server?.backend ?? 'kernel',
    chainLength: members.length,
    warnings: [...warnings, ...own, ...notInForce(server)],
    externalDirectories: external,
    ...given({ metricsAddress }),
  };
  log.info('ready', {
    pid: info.pid,
    mountpoint,
    catalog,
    instance,
    backup: target.id,
    chain: members.length,
    diff,
    metrics: metricsAddress,
  });
  if (paths.pidFile !== undefined) writePidFile(paths.pidFile);
  await tell(info);
  notifyManager(`READY=1\nMAINPID=${process.pid}\nSTATUS=backup ${target.id} of ${instance} on ${mountpoint}`);
}

function enterIntoRegistry({ prepared: { paths, chain }, server, metricsAddress, log }: Known): void {
  const { mountpoint, diff, catalog, logFile } = paths;
  try {
    register({
      ...selfIdentity(),
      mountpoint,
      catalog,
      instance: chain.instance,
      backupId: chain.target.id,
      chain: memberIds(chain),
      mountedAt: Date.now(),
      ...given({ diff, device: mountOn(mountpoint)?.device, server, logFile, metricsAddress }),
    });
  } catch (error) {
    log.warn('cannot register the mount; unmount will not know its diff', { error: (error as Error).message });
  }
}

/** What was asked for and cannot be done here. */
function notInForce({ passthroughFault, lowLatencyFault }: Partial<BackendInfo> = {}): string[] {
  return [
    ...(passthroughFault === undefined
      ? []
      : [`--passthrough: ${passthroughFault}; pbkfs itself serves files made on the mount`]),
    ...(lowLatencyFault === undefined ? [] : [`--low-latency: ${lowLatencyFault}; processors sleep as ever`]),
  ];
}
