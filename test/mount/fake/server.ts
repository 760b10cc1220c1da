// A FUSE server for tests of a mount's life: one empty directory, and faults on demand.

import { once } from 'node:events';
import { closeSync, read, writeFileSync, writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { Server } from '../../../src/fs/serve-types.js';
import { sourceName } from '../../../src/fs/source-name.js';
import type { ServeMount } from '../../../src/mount/serving/serve.js';
import { mountFuse, openFuseDevice } from '../../../src/sys/fuse-device.js';

/** What goes wrong, and when; given in the environment of the mount process. */
export type Fault =
  | 'none'
  | 'refuse' // rejects before anything is mounted
  | 'throw' // throws outside of every promise before it is mounted
  | 'die' // is killed before it is mounted
  | 'fall' // is killed when it is mounted and not ready
  | 'stop' // gets SIGTERM before it is mounted
  | 'lose' // the last sync fails
  | 'slow' // the last sync takes a second
  | 'burst'; // throws outside of every promise on SIGUSR2

const opcode = {
  FORGET: 2,
  GETATTR: 3,
  STATFS: 17,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  BATCH_FORGET: 42,
};
const ENOSYS = 38;
const HEADER_IN = 40;
const HEADER_OUT = 16;

export const serveFake: ServeMount = async (options) => {
  const fault = (process.env.PBKFS_FAKE_FAULT ?? 'none') as Fault;
  if (fault === 'refuse') throw new Error('the fake server refuses');
  if (fault === 'die') process.kill(process.pid, 'SIGKILL');
  const heard = fault === 'stop' ? once(process, 'SIGTERM') : undefined;
  if (fault === 'stop') process.kill(process.pid, 'SIGTERM');
  if (fault === 'throw') {
    setImmediate(() => {
      throw new Error('thrown before the mount');
    });
    return new Promise<Server>(() => setInterval(() => undefined, 1000));
  }
  if (fault === 'stop') await Promise.all([heard, setTimeout(50)]);
  // Every server of a diff makes one: a diff that ended cleanly without it is refused.
  if (options.diff !== null) writeFileSync(`${options.diff}/journal`, '', { flag: 'a' });
  const fd = openFuseDevice();
  const fsname = sourceName(options);
  mountFuse(fd, options.mountpoint, { uid: 0, gid: 0, allowOther: true, fsname });
  const connection = answerUntilUnmounted(fd, options.uid, options.gid);
  await connection.ready;
  if (fault === 'fall') process.kill(process.pid, 'SIGKILL');
  if (fault === 'burst') {
    process.once('SIGUSR2', () => {
      throw new Error('thrown while mounted');
    });
  }
  const report = { metrics: async () => '', problems: () => [], status: async () => ({}) };
  return { done: connection.ended.then(() => lastSync(fault)), report };
};

async function lastSync(fault: Fault): Promise<void> {
  if (fault === 'lose') throw new Error('EIO: the fake disk is broken');
  if (fault === 'slow') await setTimeout(1000);
}

function answerUntilUnmounted(fd: number, uid: number, gid: number) {
  const request = Buffer.alloc(1 << 18);
  let onReady: () => void;
  let onEnd: () => void;
  const ready = new Promise<void>((resolve) => {
    onReady = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    onEnd = resolve;
  });
  const next = (): void =>
    read(fd, request, 0, request.length, null, (error) => {
      if (error !== null && !['EINTR', 'EAGAIN', 'ENOENT'].includes(error.code ?? '')) {
        closeSync(fd);
        onEnd();
        return;
      }
      if (error === null) answer(fd, request, uid, gid);
      if (request.readUInt32LE(4) === opcode.INIT) onReady();
      next();
    });
  next();
  return { ready, ended };
}

function answer(fd: number, request: Buffer, uid: number, gid: number): void {
  const operation = request.readUInt32LE(4);
  if (operation === opcode.FORGET || operation === opcode.BATCH_FORGET) return;
  const body = bodyOf(operation, uid, gid);
  const reply = Buffer.alloc(HEADER_OUT + (body?.length ?? 0));
  reply.writeUInt32LE(reply.length, 0);
  reply.writeInt32LE(body === undefined ? -ENOSYS : 0, 4);
  request.copy(reply, 8, 8, 16);
  body?.copy(reply, HEADER_OUT);
  try {
    writeSync(fd, reply);
  } catch (error) {
    // Nobody waits any more: the mount ended before its last RELEASEDIR was answered.
    if (!['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function bodyOf(operation: number, uid: number, gid: number): Buffer | undefined {
  switch (operation) {
    case opcode.INIT: {
      const init = Buffer.alloc(64);
      init.writeUInt32LE(7, 0);
      init.writeUInt32LE(31, 4);
      init.writeUInt32LE(HEADER_IN + (1 << 17), 20);
      return init;
    }
    case opcode.GETATTR: {
      const attributes = Buffer.alloc(104);
      // Cached for an hour, as the real server does: the kernel answers stat(2) even after the server's death.
      attributes.writeBigUInt64LE(3600n, 0);
      attributes.writeBigUInt64LE(1n, 16);
      attributes.writeUInt32LE(0o40700, 16 + 60);
      attributes.writeUInt32LE(2, 16 + 64);
      attributes.writeUInt32LE(uid, 16 + 68);
      attributes.writeUInt32LE(gid, 16 + 72);
      return attributes;
    }
    case opcode.STATFS:
      return Buffer.alloc(80);
    case opcode.OPENDIR:
      return Buffer.alloc(16);
    case opcode.READDIR:
    case opcode.RELEASEDIR:
      return Buffer.alloc(0);
    default:
      return undefined;
  }
}
