// A service manager's end of sd_notify(3): a datagram socket, which Node has none of; bound and read through the C library.

import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import type koffi from 'koffi';

type Receive = (fd: number, data: Buffer, length: number, flags: number) => number;

export class NotifySocket {
  readonly #fd: number;
  readonly #recv: Receive;

  /** @param path of the socket to make */
  constructor(path: string) {
    const ffi = createRequire(import.meta.url)('koffi') as typeof koffi;
    const libc = ffi.load(null);
    const socket = libc.func('int socket(int domain, int type, int protocol)');
    const bind = libc.func('int bind(int fd, const void *address, uint32_t length)');
    this.#recv = libc.func('long recv(int fd, void *data, size_t length, int flags)') as Receive;
    const address = Buffer.alloc(110);
    address.writeUInt16LE(1, 0);
    address.write(path, 2);
    this.#fd = socket(1, 0o2000002, 0) as number;
    if (bind(this.#fd, address, 110) !== 0) throw new Error(`cannot bind ${path}`);
  }

  /** What has arrived, oldest first. */
  read(): string[] {
    const messages: string[] = [];
    const MSG_DONTWAIT = 0x40;
    for (;;) {
      const data = Buffer.alloc(4096);
      const length = Number(this.#recv(this.#fd, data, data.length, MSG_DONTWAIT));
      if (length <= 0) return messages;
      messages.push(data.toString('utf8', 0, length));
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
