// A small HTTP server for people and Prometheus: /metrics, /healthz and a page that leads to them.

import { lstatSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { PbkfsError } from '../errors.js';
import { CONTENT_TYPE } from './exposition.js';
import type { ListenAddress } from './listen-address.js';

/** After how many ms without a byte from or to a client its connection ends: longer than any page takes to make. */
const IDLE = 30_000;

/** A few scrapers, not the public. */
const MOST_CONNECTIONS = 64;
/** Of these so many may have sent no whole request: one more, and the oldest goes. */
const MOST_UNFINISHED = 32;

/** What an endpoint serves. Each is asked anew for every request. */
export interface Pages {
  /** The text of a scrape. */
  metrics(): Promise<string>;
  /** What is wrong, in words; empty: healthy. */
  problems(): Promise<readonly string[]>;
  /** Rows of the page for people. */
  about(): Promise<readonly (readonly [name: string, value: string])[]>;
}

export interface Endpoint {
  /** `http://HOST:PORT`, or `unix:PATH`. */
  readonly address: string;
  /** Ends all connections. Never throws. */
  close(): void;
}

/**
 * Listens and serves until it is closed; keeps no process alive.
 * @param usualPort port where the address names none; a free one where somebody else has it
 * @throws PbkfsError listen_failed
 */
export async function openEndpoint(address: ListenAddress, usualPort: number, pages: Pages): Promise<Endpoint> {
  const unfinished = new Set<Socket>();
  const server = createServer((request, response) => {
    unfinished.delete(request.socket);
    void answer(pages, request, response);
  });
  server.on('connection', (socket) => {
    unfinished.add(socket);
    socket.once('close', () => unfinished.delete(socket));
    const [oldest] = unfinished;
    if (unfinished.size > MOST_UNFINISHED) oldest?.destroy();
  });
  server.maxConnections = MOST_CONNECTIONS;
  // Of a client that sends thousands of requests and reads nothing, one is answered.
  server.maxRequestsPerSocket = 1;
  server.requestTimeout = 10_000;
  server.timeout = IDLE;
  server.unref();
  if (address.kind === 'unix') {
    await listenUnix(server, address.path);
    return endpoint(server, `unix:${address.path}`);
  }
  const { host, port } = address;
  try {
    await listen(server, { host, port: port ?? usualPort });
  } catch (error) {
    if (port !== undefined) throw cannot(error, host, port);
    await listen(server, { host, port: 0 }).catch((again: unknown) => {
      throw cannot(again, host, port);
    });
  }
  const bound = server.address() as AddressInfo;
  return endpoint(server, `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`);
}

function endpoint(server: Server, address: string): Endpoint {
  return {
    address,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function listen(server: Server, where: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** A socket that nobody listens on was left by a process that was killed; anything else of that name is somebody's. */
async function listenUnix(server: Server, path: string): Promise<void> {
  try {
    await listen(server, { path });
  } catch (error) {
    // connect(2) refuses what is no socket like a socket that nobody listens on.
    if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false) throw cannot(NO_SOCKET, path);
    if (!(await isAbandoned(path))) throw cannot(error, path);
    rmSync(path, { force: true });
    await listen(server, { path }).catch((again: unknown) => {
      throw cannot(again, path);
    });
  }
}

const NO_SOCKET = new Error('something that is no socket has this name');

function isAbandoned(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
}

function cannot(error: unknown, where: string, port?: number): PbkfsError {
  const { code, message } = error as NodeJS.ErrnoException;
  const at = port === undefined ? where : `${where}:${port}`;
  const why = code === 'EADDRINUSE' ? 'somebody else does already' : message;
  return new PbkfsError('listen_failed', `cannot serve metrics on ${at}: ${why}`, {
    hint: where.startsWith('/')
      ? 'name another path, in a directory that this user may write to'
      : 'name another address, or a host without a port: then a free port is taken',
    cause: error,
  });
}

async function answer(pages: Pages, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = (status: number, type: string, body: string): void => {
    response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
  };
  try {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      send(405, TEXT, 'only GET and HEAD\n');
      return;
    }
    switch (request.url?.split('?')[0]) {
      case '/metrics':
        send(200, CONTENT_TYPE, await pages.metrics());
        return;
      case '/healthz': {
        const problems = await pages.problems();
        if (problems.length === 0) send(200, TEXT, 'ok\n');
        else send(503, TEXT, `${problems.join('\n')}\n`);
        return;
      }
      case '/':
        send(200, 'text/html; charset=utf-8', landingPage(await pages.about(), await pages.problems()));
        return;
      default:
        send(404, TEXT, 'there are /, /metrics and /healthz\n');
    }
  } catch (error) {
    send(500, TEXT, `${(error as Error).message}\n`);
  }
}

const TEXT = 'text/plain; charset=utf-8';

function landingPage(rows: readonly (readonly [string, string])[], problems: readonly string[]): string {
  const health = problems.length === 0 ? 'healthy' : problems.join('; ');
  const lines = [...rows, ['health', health] as const].map(
    ([name, value]) => `<tr><th align="left">${escaped(name)}</th><td>${escaped(value)}</td></tr>`,
  );
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>pbkfs</title></head>
<body><h1>pbkfs</h1>
<p><a href="/metrics">metrics</a> · <a href="/healthz">health</a></p>
<table>
${lines.join('\n')}
</table></body></html>
`;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character]!);
}
