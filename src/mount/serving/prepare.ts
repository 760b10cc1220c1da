// From a request to a locked diff and a checked chain: every refusal happens here, before anything has changed.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Chain, openCatalog, resolveChain } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import { given } from '../../given.js';
import { parseListenAddress } from '../../metrics/listen-address.js';
import { checkIdentity } from '../diff/binding.js';
import { findDiffToMount, LOG_FILE } from '../diff/diff-directory.js';
import { openRemembered } from '../diff/remembered-catalog.js';
import { resolveFuture } from '../paths.js';
import { registryLogFile } from '../registry-log.js';
import type { MountRequest } from '../request.js';
import { chosenBackup, identityOf } from './chosen-backup.js';
import { type ClaimedDiff, checkReuse, claimDiff } from './claim-diff.js';
import { type CheckedPaths, checkPaths } from './preflight.js';

/** A mount that may begin. */
export interface PreparedMount {
  readonly paths: CheckedPaths;
  readonly chain: Chain;
  readonly claim: ClaimedDiff;
  /**
   * Reads the control files again once the chain is locked.
   * @throws PbkfsError when the chain may not be mounted any more, or is another one
   */
  recheck(): Chain;
}

/**
 * @param logsToTerminal no log file unless the request names one
 * @throws PbkfsError with the reason; directories and diff are as before then
 */
export function prepareMount(request: MountRequest, logsToTerminal: boolean): PreparedMount {
  if (request.diff === undefined) return prepareReadOnly(request, logsToTerminal);
  refuseWithPassthrough(request);
  const diff = resolveFuture(request.diff);
  const before = findDiffToMount(diff);
  const source = chosenBackup(request, diff, before);
  const catalog = request.catalog === undefined ? openRemembered(source.catalog) : openCatalog(source.catalog);
  const chain = resolveChain(catalog, source.instance, source.backupId, { force: request.force });
  const backup = identityOf(catalog, chain);
  if (before.kind === 'bound') checkIdentity(diff, before.binding, backup);
  const logFile = request.logFile ?? (logsElsewhere(request, logsToTerminal) ? undefined : join(diff, LOG_FILE));
  const bound = before.kind === 'bound' ? before.binding : undefined;
  if (bound !== undefined) checkReuse(diff, bound, request);
  const walDir = request.walDir ?? bound?.walDirectory?.path;
  const paths = checkPaths({
    mountpoint: request.mountpoint,
    catalog: catalog.path,
    diff,
    ...given({ walDir, logFile, pidFile: request.pidFile, metricsSocket: metricsSocket(request) }),
  });
  const recheck = (): Chain => sameChain(chain, resolveChain(catalog, chain.instance, chain.target.id, request));
  const own = { ...paths, diff };
  return { paths: own, chain, claim: claimDiff(own, backup, before, request), recheck };
}

/** The path of --metrics-listen unix:PATH. */
function metricsSocket({ metricsListen }: MountRequest): string | undefined {
  const address = metricsListen === undefined ? undefined : parseListenAddress(metricsListen);
  return address?.kind === 'unix' ? address.path : undefined;
}

/** Whether there is no need for a log file. */
function logsElsewhere({ log }: MountRequest, logsToTerminal: boolean): boolean {
  return logsToTerminal || log?.sink === 'journald';
}

/** Without a diff there is nothing to claim. */
function prepareReadOnly(request: MountRequest, logsToTerminal: boolean): PreparedMount {
  const { instance, backupId } = request;
  if (request.catalog === undefined || instance === undefined || backupId === undefined) {
    throw new PbkfsError('usage', 'a read-only mount has no diff that knows its backup: -B, -I and -i must be given');
  }
  const catalog = openCatalog(request.catalog);
  const chain = resolveChain(catalog, instance, backupId, { force: request.force });
  const elsewhere = request.logFile !== undefined || logsElsewhere(request, logsToTerminal);
  const ownLog = elsewhere ? undefined : registryLogFile(request.mountpoint);
  const logFile = request.logFile ?? ownLog;
  const paths = checkPaths({
    mountpoint: request.mountpoint,
    catalog: catalog.path,
    ...given({ logFile, pidFile: request.pidFile, metricsSocket: metricsSocket(request) }),
  });
  return {
    paths,
    chain,
    claim: nothingClaimed(() => {
      // There is nothing to ask it then.
      if (ownLog !== undefined) rmSync(ownLog, { force: true });
    }),
    recheck: () => sameChain(chain, resolveChain(catalog, instance, chain.target.id, request)),
  };
}

/** @param over the mount never came up, or has ended cleanly */
function nothingClaimed(over: () => void): ClaimedDiff {
  return {
    fresh: false,
    mark: (state) => {
      if (state === 'clean') over();
    },
    willWrite: () => undefined,
    madeReady: () => undefined,
    keepSpare: () => undefined,
    rollback: over,
  };
}

/** The kernel writes without asking: nothing of ours can be in the way. */
function refuseWithPassthrough({ passthrough, diffLimit, backend }: MountRequest): void {
  if (!passthrough || (diffLimit === undefined && backend !== 'fuse-native')) return;
  const other = diffLimit === undefined ? '--backend fuse-native' : '--diff-limit';
  throw new PbkfsError('usage', `--passthrough and ${other} exclude each other`, {
    hint: 'with --passthrough the kernel writes without asking pbkfs: leave one of the two out',
  });
}

function sameChain(before: Chain, now: Chain): Chain {
  const directories = (chain: Chain): string => chain.members.map((member) => member.directory).join('\n');
  if (directories(before) === directories(now)) return now;
  throw new PbkfsError('chain_changed', `the chain of backup ${now.target.id} was changed while it was being locked`, {
    hint: 'a merge has just ended, most likely: mount again',
  });
}
