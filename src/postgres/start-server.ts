// Starting a PostgreSQL server on a data directory, with settings that keep it away from production.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import type { ProcessIdentity } from '../sys/process-identity.js';
import { readControlFile } from './control-file.js';
import type { ServerBinaries } from './find-server.js';
import { makePrivateDir, newPrivatePath, openLog, type PrivateDir, removePrivateDir } from './private-dir.js';
import { inNamespace, type PathBinding } from './private-namespace.js';
import { unkilled } from './processes.js';
import { type ConfiguredRecovery, type Recovery, requestRecovery } from './recovery.js';
import { safeSettings } from './safe-settings.js';
import { PostgresServer } from './server.js';
import { cannotBecome, type ServerUser, spawnIds } from './server-user.js';

export interface StartOptions {
  readonly dataDir: string;
  readonly binaries: ServerBinaries;
  readonly user: ServerUser;
  /** More settings; those that keep the server away from production cannot be changed. */
  readonly settings?: Readonly<Record<string, string>>;
  /** shared_preload_libraries; none where it is missing. */
  readonly preload?: string;
  /** Archive recovery; without it the server starts on what the data directory holds. */
  readonly recovery?: Recovery | ConfiguredRecovery;
  /** Milliseconds until the server must answer queries. Default 120 000: replay takes its time. */
  readonly startTimeout?: number;
  /** Port in the name of its socket; 5432 where it is missing. */
  readonly port?: number;
  /** Where its socket lies instead of the private directory; the server's user must be able to write there. */
  readonly socketDir?: string;
  /** Directories of the mount that the server sees at absolute paths of this host; only for root. */
  readonly bindings?: readonly PathBinding[];
  /** Called with the path of the private directory before it is made, for whoever cleans up after us. */
  readonly starting?: (privateDir: string) => Promise<void>;
  /** Called again and again while the server is not ready. */
  readonly waiting?: (server: PostgresServer) => void;
}

/**
 * Starts a server and waits until it accepts connections (with `action: 'pause'`: read-only ones).
 * @throws PbkfsError server_failed with the end of its log when it ends or does not get ready in time.
 */
export async function startServer(options: StartOptions): Promise<PostgresServer> {
  const { port = 5432 } = options;
  const control = await readControlFile(options.dataDir);
  const path = newPrivatePath(options.user);
  await options.starting?.(path);
  const made = makePrivateDir(path, options.user);
  const files = options.socketDir === undefined ? made : { ...made, socketDir: options.socketDir };
  let server: PostgresServer;
  try {
    const settings = safeSettings({
      major: options.binaries.major,
      dataDir: options.dataDir,
      files,
      port,
      control,
      recovery: options.recovery,
      extra: options.settings,
      preload: options.preload,
    });
    if (options.recovery !== undefined && options.recovery.target !== 'configured')
      requestRecovery(options.dataDir, options.user);
    server = new PostgresServer(spawnPostmaster(options, files, settings), files, options.dataDir, port);
  } catch (error) {
    removePrivateDir(files);
    throw error;
  }
  try {
    await server.waitUntilReady(options.startTimeout ?? 120_000, options.waiting);
  } catch (error) {
    throw withUnkilled(error, await server.crash());
  }
  return server;
}

function withUnkilled(error: unknown, left: readonly ProcessIdentity[]): unknown {
  if (left.length === 0 || !(error instanceof PbkfsError)) return error;
  const { code, message, hint } = error;
  return new PbkfsError(code, `${message}; the server was ${unkilled(left)}`, given({ hint }));
}

function spawnPostmaster(options: StartOptions, files: PrivateDir, settings: Record<string, string>): ChildProcess {
  const log = openLog(files);
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const { bindings = [], user, dataDir } = options;
  const command: [string, string[]] = [join(options.binaries.binDir, 'postgres'), ['-D', dataDir, ...args]];
  const stage = join(files.path, 'root');
  if (bindings.length > 0) mkdirSync(stage);
  const [program, all] =
    bindings.length === 0 ? command : inNamespace(bindings, user, stage, dataDir, [command[0], ...command[1]]);
  try {
    return spawn(program, all, {
      ...(bindings.length === 0 ? spawnIds(user) : {}),
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', log, log],
      // Ctrl-C in the terminal is for us: we stop the server in order.
      detached: true,
    });
  } catch (error) {
    throw ['EPERM', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '') ? cannotBecome(user, error) : error;
  } finally {
    closeSync(log);
  }
}
