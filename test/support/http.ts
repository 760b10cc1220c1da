// Requests to the HTTP endpoints of pbkfs, over TCP and Unix sockets.

import { type IncomingMessage, request } from 'node:http';

export interface HttpAnswer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: string;
}

/** @param address `http://HOST:PORT` or `unix:PATH` */
export function httpRequest(address: string, path: string, method = 'GET'): Promise<HttpAnswer> {
  const where = address.startsWith('unix:')
    ? { socketPath: address.slice('unix:'.length), path }
    : { host: new URL(address).hostname.replace(/^\[|\]$/g, ''), port: new URL(address).port, path };
  return new Promise((resolve, reject) => {
    const asked = request({ ...where, method, agent: false }, (response: IncomingMessage) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, type: headers['content-type'], body: Buffer.concat(parts).toString() });
      });
    });
    asked.once('error', reject);
    asked.end();
  });
}
