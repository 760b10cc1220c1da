// `--log-sink journald`: lines reach the stream socket of journald, with their priority.

import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import t from 'tap';
import { mountMissing, pbkfs } from '../support/mount.js';
import { until } from '../support/until.js';
import { unmounted } from './small-mount.js';

/** Where libsystemd connects to; on a host that runs systemd the real journald owns it. */
const SOCKET = '/run/systemd/journal/stdout';
const skip = mountMissing || (existsSync(SOCKET) ? 'this host has a journald of its own; the test plays one' : false);

t.test('lines go to journald, and none to a file', { skip }, async (t) => {
  mkdirSync('/run/systemd/journal', { recursive: true });
  let received = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setEncoding('utf8').on('data', (text: string) => {
      received += text;
    });
  });
  await new Promise<void>((resolve) => server.listen(SOCKET, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(SOCKET, { force: true });
  });
  const mount = unmounted(t);
  const where = ['-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mount.mountpoint, '-d', mount.diff];
  const result = await pbkfs(['mount', ...where, '--log-sink', 'journald']);
  if (/libsystemd\.so\.0 is not there/.test(result.stderr)) {
    t.equal(result.status, 1);
    const skip = 'this host has no libsystemd.so.0 (Debian: apt-get install libsystemd0)';
    return void (await t.test('its lines', { skip }, async () => undefined));
  }
  t.match(result, { status: 0, stderr: '' });
  t.notOk(existsSync(`${mount.diff}/pbkfs.log`));
  await mount.unmount();
  await until(() => /<6>unmounted status=0\n/.test(received), 60_000);
  t.match(received, /^pbkfs\n/, 'the identifier');
  t.match(received, /<6>mounted .*threads=/);
});

t.test('without a journald mount says so', { skip }, async (t) => {
  const mount = unmounted(t);
  const where = ['-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mount.mountpoint, '-d', mount.diff];
  t.match(await pbkfs(['mount', ...where, '--log-sink', 'journald']), {
    status: 1,
    stderr: /^pbkfs: cannot log to journald: .*\nhint: /,
  });
  t.notOk(existsSync(mount.diff), 'and leaves nothing behind');
});
