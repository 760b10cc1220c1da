// The HTTP endpoint: its pages, busy ports, sockets left behind.

import { execFileSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { openEndpoint, type Pages } from '../../src/metrics/http-endpoint.js';
import { httpRequest } from '../support/http.js';
import { NotifySocket } from '../support/notify-socket.js';
import { runOk } from '../support/run.js';
import { temporaryDirectory } from '../support/swept.js';

const problems: string[] = [];
const pages: Pages = {
  metrics: async () => 'pbkfs_inodes 1\n',
  problems: async () => problems,
  about: async () => [['mount point', '/mnt/<b>"&"</b>']],
};
const anyPort = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

t.test('serves metrics, health and a page for people', async (t) => {
  const endpoint = await openEndpoint(anyPort, 1, pages);
  t.teardown(() => endpoint.close());
  t.match(endpoint.address, /^http:\/\/127\.0\.0\.1:\d+$/);
  const get = (path: string, method?: string) => httpRequest(endpoint.address, path, method);
  t.strictSame(await get('/metrics'), {
    status: 200,
    type: 'text/plain; version=0.0.4; charset=utf-8',
    body: 'pbkfs_inodes 1\n',
  });
  t.match(await get('/metrics?x=1'), { status: 200 });
  t.match(await get('/healthz'), { status: 200, body: 'ok\n' });
  problems.push('the chain was changed', 'в каталоге «бэкап»');
  t.match(await get('/healthz'), { status: 503, body: 'the chain was changed\nв каталоге «бэкап»\n' });
  t.match(await get('/'), { status: 200, type: /html/, body: /\/mnt\/&lt;b&gt;&quot;&amp;&quot;/ });
  t.match(await get('/'), { body: /the chain was changed/ });
  problems.length = 0;
  t.match(await get('/other'), { status: 404 });
  t.match(await get('/metrics', 'POST'), { status: 405 });
  t.match(await get('/metrics', 'HEAD'), { status: 200, body: '' });
});

t.test('a page that cannot be made is an error of its own', async (t) => {
  const failing = { ...pages, metrics: () => Promise.reject(new Error('not mounted yet')) };
  const endpoint = await openEndpoint(anyPort, 1, failing);
  t.teardown(() => endpoint.close());
  t.match(await httpRequest(endpoint.address, '/metrics'), { status: 500, body: 'not mounted yet\n' });
  t.match(await httpRequest(endpoint.address, '/healthz'), { status: 200 });
});

t.test('a client that asks very often and reads nothing is answered once', async (t) => {
  let asked = 0;
  const counting = { ...pages, metrics: async () => `pbkfs_inodes ${++asked}\n` };
  const endpoint = await openEndpoint(anyPort, 1, counting);
  t.teardown(() => endpoint.close());
  const client = connect(Number(new URL(endpoint.address).port), '127.0.0.1');
  t.teardown(() => client.destroy());
  client.pause().write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1000));
  // The answer to a later one comes behind theirs.
  while ((await httpRequest(endpoint.address, '/metrics')).body === 'pbkfs_inodes 1\n');
  t.equal(asked, 2);
});

t.test(
  'clients that never finish a request keep nobody out, nor do they end one that waits for its page',
  async (t) => {
    const slow = new EventEmitter();
    const healthy = async (): Promise<readonly string[]> => {
      slow.emit('asked');
      await once(slow, 'made');
      return [];
    };
    const endpoint = await openEndpoint(anyPort, 1, { ...pages, problems: healthy });
    t.teardown(() => endpoint.close());
    const asked = once(slow, 'asked');
    const waiting = httpRequest(endpoint.address, '/healthz');
    await asked;
    for (let i = 0; i < 100; i++) {
      const client = connect(Number(new URL(endpoint.address).port), '127.0.0.1').on('error', () => undefined);
      t.teardown(() => client.destroy());
      await once(client, 'connect');
      client.write('GET /metrics HTTP/1.1\r\n');
    }
    t.match(await httpRequest(endpoint.address, '/metrics'), { status: 200 });
    slow.emit('made');
    t.match(await waiting, { status: 200 });
  },
);

t.test('more requests at a time than scrapers make are turned away, not waited for', async (t) => {
  const made = new EventEmitter();
  let asked = 0;
  const metrics = async (): Promise<string> => {
    if (++asked === 64) made.emit('all');
    await once(made, 'page');
    return 'pbkfs_inodes 1\n';
  };
  made.setMaxListeners(100);
  const all = once(made, 'all');
  const endpoint = await openEndpoint(anyPort, 1, { ...pages, metrics });
  t.teardown(() => endpoint.close());
  const waiting = Array.from({ length: 64 }, () => httpRequest(endpoint.address, '/metrics'));
  await all;
  await t.rejects(httpRequest(endpoint.address, '/metrics'));
  t.equal(asked, 64);
  made.emit('page');
  for (const { status } of await Promise.all(waiting)) t.equal(status, 200);
});

t.test('a client that stays connected does not keep a process from its end', async (t) => {
  const never = { ...pages, metrics: () => new Promise<string>(() => undefined) };
  const endpoint = await openEndpoint(anyPort, 1, never);
  const client = connect(Number(new URL(endpoint.address).port), '127.0.0.1');
  client.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  t.match(await httpRequest(endpoint.address, '/healthz'), { status: 200 }, 'the first has been heard by then');
  const closed = once(client.resume(), 'close');
  const began = performance.now();
  endpoint.close();
  await closed;
  t.ok(performance.now() - began < 20_000, 'not only when it has been idle for 30 s');
});

t.test('an endpoint keeps no process alive', async (t) => {
  const program = join(t.testdir(), 'program.mjs');
  const module = new URL('../../src/metrics/http-endpoint.js', import.meta.url).href;
  writeFileSync(
    program,
    `import { openEndpoint } from '${module}';
     console.log((await openEndpoint(${JSON.stringify(anyPort)}, 1, {})).address);`,
  );
  t.match(await runOk(process.execPath, [program], { timeout: 20_000 }), /^http:/);
});

t.test('an address that cannot be had at all is refused, whichever port it names', async (t) => {
  for (const port of [0, undefined]) {
    const refused = openEndpoint({ kind: 'tcp', host: '192.0.2.1', port }, 1, pages);
    await t.rejects(refused, { code: 'listen_failed', message: /192\.0\.2\.1.*: listen EADDRNOTAVAIL/ });
  }
  const directory = temporaryDirectory('pbkfs-sock-');
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'absent', 'metrics.sock');
  const refused = openEndpoint({ kind: 'unix', path }, 1, pages);
  await t.rejects(refused, { code: 'listen_failed', message: /absent\/metrics\.sock: listen E/, hint: /another path/ });
});

t.test('a busy usual port is no reason to fail, a busy port that was asked for is', async (t) => {
  const first = await openEndpoint(anyPort, 1, pages);
  t.teardown(() => first.close());
  const taken = Number(new URL(first.address).port);
  const second = await openEndpoint({ ...anyPort, port: undefined }, taken, pages);
  t.teardown(() => second.close());
  t.not(second.address, first.address);
  // On another address of this host the same port is free.
  const usual = await openEndpoint({ ...anyPort, host: '127.0.0.2', port: undefined }, taken, pages);
  t.teardown(() => usual.close());
  t.equal(usual.address, `http://127.0.0.2:${taken}`);
  t.match(await httpRequest(second.address, '/healthz'), { status: 200 });
  await t.rejects(openEndpoint({ ...anyPort, port: taken }, 1, pages), {
    code: 'listen_failed',
    message: `cannot serve metrics on 127.0.0.1:${taken}: somebody else does already`,
  });
});

t.test('a socket that was left behind is replaced, one in use is not', async (t) => {
  const directory = temporaryDirectory('pbkfs-sock-');
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'metrics.sock');
  // A listener that has gone without taking its socket away.
  const killed = createServer().listen(path);
  await new Promise((resolve) => killed.once('listening', resolve));
  renameSync(path, `${path}.kept`);
  await new Promise((resolve) => killed.close(resolve));
  renameSync(`${path}.kept`, path);
  const endpoint = await openEndpoint({ kind: 'unix', path }, 1, pages);
  t.match(await httpRequest(endpoint.address, '/metrics'), { status: 200 });
  await t.rejects(openEndpoint({ kind: 'unix', path }, 1, pages), { code: 'listen_failed', hint: /another path/ });
  t.match(await httpRequest(endpoint.address, '/metrics'), { status: 200 });
  endpoint.close();
  t.notOk(existsSync(path), 'it is taken away at the end');
});

t.test('what is no socket, or somebody else’s, is left alone', async (t) => {
  const directory = temporaryDirectory('pbkfs-sock-');
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = (name: string): string => join(directory, name);
  writeFileSync(path('file'), 'precious');
  mkdirSync(path('directory'));
  execFileSync('mkfifo', [path('fifo')]);
  const syslog = new NotifySocket(path('datagrams'));
  t.teardown(() => syslog.close());
  const refused = (name: string, why: string) =>
    t.rejects(openEndpoint({ kind: 'unix', path: path(name) }, 1, pages), {
      code: 'listen_failed',
      message: `cannot serve metrics on ${path(name)}: ${why}`,
    });
  for (const name of ['file', 'directory', 'fifo']) await refused(name, 'something that is no socket has this name');
  t.equal(readFileSync(path('file'), 'utf8'), 'precious');
  t.ok(lstatSync(path('fifo')).isFIFO());
  await refused('datagrams', 'somebody else does already');
  t.ok(lstatSync(path('datagrams')).isSocket());
});
