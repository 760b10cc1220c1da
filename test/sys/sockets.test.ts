import { closeSync, readSync, writeSync } from 'node:fs';
import t from 'tap';
import { receiveDescriptor, sendDatagram, socketpair } from '../../src/sys/sockets.js';

// That a descriptor arrives is shown by every mount without root: test/mount/unprivileged.test.ts.
t.test('a pair is connected; a message without a descriptor brings none, none at all is EAGAIN', async (t) => {
  const [one, other] = socketpair();
  t.teardown(() => {
    closeSync(one);
    closeSync(other);
  });
  t.throws(() => receiveDescriptor(other), { code: 'EAGAIN', syscall: 'recvmsg' });
  writeSync(one, 'x');
  t.equal(receiveDescriptor(other), -1);
  writeSync(other, 'answer');
  const buffer = Buffer.alloc(10);
  t.equal(buffer.toString('utf8', 0, readSync(one, buffer)), 'answer');
});

// That one arrives is shown by test/mount/notify.test.ts.
t.test('a datagram that nobody can take is an error that names the path', async (t) => {
  t.throws(() => sendDatagram('/no/such/socket', 'READY=1'), {
    code: 'ENOENT',
    syscall: 'sendto',
    path: '/no/such/socket',
  });
  t.throws(() => sendDatagram('@nobody listens to pbkfs', 'READY=1'), { code: 'ECONNREFUSED' });
  t.throws(() => sendDatagram('x'.repeat(108), 'READY=1'), { code: 'ENAMETOOLONG' });
});
