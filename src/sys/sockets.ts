// Calls for sockets that Node lacks: passing a descriptor, and datagrams to Unix sockets.

import { closeSync } from 'node:fs';
import { bindCall, type Call, libc, systemError } from './libc.js';

interface SocketCalls {
  readonly socketpair: Call;
  readonly recvmsg: Call;
  readonly socket: Call;
  readonly sendto: Call;
}

let bound: SocketCalls | undefined;

function socketCalls(): SocketCalls {
  bound ??= {
    socketpair: bindCall('int socketpair(int domain, int type, int protocol, void *pair)'),
    recvmsg: bindCall('long recvmsg(int fd, void *message, int flags)'),
    socket: bindCall('int socket(int domain, int type, int protocol)'),
    sendto: bindCall(
      'long sendto(int fd, const void *data, size_t length, int flags, const void *address, uint32_t addressLength)',
    ),
  };
  return bound;
}

/** socketpair(2) of two connected stream sockets, both close-on-exec. */
export function socketpair(): [number, number] {
  const AF_UNIX = 1;
  const SOCK_STREAM_CLOEXEC = 0o2000001;
  const c = libc();
  const pair = Buffer.alloc(8);
  const result = socketCalls().socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair);
  const number = result === 0 ? 0 : c.errno();
  if (number !== 0) throw systemError('socketpair', number);
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
}

/**
 * Takes a descriptor that the other side of a socket has sent (SCM_RIGHTS), close-on-exec from the start. Does not wait.
 * @returns the descriptor, or -1 where none was sent
 * @throws a system error: EAGAIN where nothing was sent
 */
export function receiveDescriptor(socket: number): number {
  const MSG_DONTWAIT_CMSG_CLOEXEC = 0x40000040;
  const SOL_SOCKET = 1;
  const SCM_RIGHTS = 1;
  const c = libc();
  // struct msghdr, iovec and cmsghdr of 64-bit Linux; koffi keeps the memory behind the pointers.
  const data = c.ffi.alloc('uint8_t', 8);
  const ancillary = c.ffi.alloc('uint8_t', 64);
  const vector = c.ffi.alloc('uint64_t', 2);
  c.ffi.encode(vector, 'uint64_t [2]', [c.ffi.address(data), 8n]);
  const message = Buffer.alloc(56);
  message.writeBigUInt64LE(c.ffi.address(vector), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(c.ffi.address(ancillary), 32);
  message.writeBigUInt64LE(64n, 40);
  const result = socketCalls().recvmsg(socket, message, MSG_DONTWAIT_CMSG_CLOEXEC);
  const number = result >= 0 ? 0 : c.errno();
  if (number !== 0) throw systemError('recvmsg', number);
  if (message.readBigUInt64LE(40) < 20n) return -1;
  const control = Buffer.from(c.ffi.decode(ancillary, 'uint8_t [24]') as Uint8Array);
  if (control.readInt32LE(8) !== SOL_SOCKET || control.readInt32LE(12) !== SCM_RIGHTS) return -1;
  return control.readInt32LE(16);
}

/**
 * Sends one datagram to a Unix socket.
 * @param path absolute, or `@name` for an abstract one
 * @throws a system error
 */
export function sendDatagram(path: string, text: string): void {
  const AF_UNIX = 1;
  const SOCK_DGRAM_CLOEXEC = 0o2000002;
  const MSG_NOSIGNAL = 0x4000;
  const c = libc();
  const calls = socketCalls();
  const name = Buffer.from(path, 'utf8');
  // struct sockaddr_un; an abstract name begins with a zero byte, and its length counts.
  const address = Buffer.alloc(110);
  address.writeUInt16LE(AF_UNIX, 0);
  if (name.length > 107) throw systemError('sendto', 36, path);
  name.copy(address, 2);
  const isAbstract = path.startsWith('@');
  if (isAbstract) address[2] = 0;
  const fd = calls.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) throw systemError('socket', c.errno());
  const data = Buffer.from(text, 'utf8');
  const result = calls.sendto(fd, data, data.length, MSG_NOSIGNAL, address, 2 + name.length + (isAbstract ? 0 : 1));
  const number = result >= 0 ? 0 : c.errno();
  closeSync(fd);
  if (number !== 0) throw systemError('sendto', number, path);
}
