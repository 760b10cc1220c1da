// Requests and replies byte by byte, as linux/fuse.h (protocol 7) lays them out; on a little-endian machine.

import fs from 'node:fs';
import t from 'tap';
import { Reply } from '../../../src/fs/protocol/reply.js';
import { Request } from '../../../src/fs/protocol/request.js';
import type { Attributes } from '../../../src/overlay/shared/attributes.js';

const IN_HEADER = 40;
const OUT_HEADER = 16;
const ATTR = 88;

/** Every number another one, in all of its bytes where it has room for that. */
const attributes: Attributes = {
  ...{ ino: 0x1f_0102_0304_0506, size: 0x0a_0b0c_0d0e_0f11, nlink: 0x21222324, rdev: 0xf1f2f3f4 },
  ...{ mode: 0o100640, uid: 0xa1a2a3a4, gid: 0xb1b2b3b4 },
  ...{ atime: 0x1_4142_4344, mtime: 0x1_5152_5354, ctime: 0x1_6162_6364 },
  ...{ atimeNsec: 711_111_111, mtimeNsec: 822_222_222, ctimeNsec: 933_333_333 },
};

/** fuse_attr */
function attrBytes(of: Attributes): Buffer {
  const bytes = Buffer.alloc(ATTR);
  for (const [at, value] of [of.ino, of.size, Math.ceil(of.size / 512)].entries()) {
    bytes.writeBigUInt64LE(BigInt(value), at * 8);
  }
  for (const [at, value] of [of.atime, of.mtime, of.ctime].entries()) bytes.writeBigInt64LE(BigInt(value), 24 + at * 8);
  const words = [of.atimeNsec, of.mtimeNsec, of.ctimeNsec, of.mode, of.nlink, of.uid, of.gid, of.rdev, 8192, 0];
  for (const [at, value] of words.entries()) bytes.writeUInt32LE(value, 48 + at * 4);
  return bytes;
}

/** What `send` writes to the device. */
function sent(send: (device: number) => void): Buffer {
  const path = t.testdirName;
  fs.rmSync(path, { recursive: true, force: true });
  const device = fs.openSync(path, 'w+');
  send(device);
  const bytes = fs.readFileSync(path);
  fs.closeSync(device);
  fs.rmSync(path);
  return bytes;
}

/** A reply whose buffer holds what an earlier one left. */
function used(capacity = 256): Reply {
  const reply = new Reply(capacity);
  reply.bytes.fill(0xee);
  return reply;
}

t.test('attributes, each in its place, also times before 1970', async (t) => {
  for (const times of [{}, { atime: -1, mtime: -2_000_000_000, ctime: -0x1_0000_0001 }]) {
    const reply = used();
    const of = { ...attributes, ...times };
    t.equal(reply.attrOut(of), 16 + ATTR);
    const body = reply.bytes.subarray(OUT_HEADER);
    t.strictSame([body.readBigUInt64LE(0), body.readBigUInt64LE(8)], [3600n, 0n], 'how long they may be kept');
    t.strictSame(body.subarray(16, 16 + ATTR).toString('hex'), attrBytes(of).toString('hex'));
  }
});

t.test('an entry: nodeid, generation 0, how long name and attributes may be kept', async (t) => {
  for (const seconds of [undefined, 0, 7]) {
    const reply = used();
    t.equal(reply.entry(0, 0x01020304, -2, attributes, seconds), 40 + ATTR);
    const wanted = Buffer.alloc(40);
    wanted.writeUInt32LE(0x01020304, 0);
    wanted.writeUInt32LE(0xfffffffe, 4);
    wanted.writeBigUInt64LE(BigInt(seconds ?? 3600), 16);
    wanted.writeBigUInt64LE(BigInt(seconds ?? 3600), 24);
    const body = reply.bytes.subarray(OUT_HEADER);
    t.equal(body.toString('hex', 0, 40 + ATTR), Buffer.concat([wanted, attrBytes(attributes)]).toString('hex'));
  }
});

t.test('attributes of a file that a write takes set-id bits from are not kept; names are', async (t) => {
  const keeps = (mode: number): [bigint, bigint, bigint] => {
    const reply = used();
    reply.entry(0, 2, 0, { ...attributes, mode });
    const [name, attr] = [16, 24].map((at) => reply.bytes.readBigUInt64LE(OUT_HEADER + at)) as [bigint, bigint];
    reply.attrOut({ ...attributes, mode });
    return [name, attr, reply.bytes.readBigUInt64LE(OUT_HEADER)];
  };
  t.strictSame(keeps(0o104755), [3600n, 0n, 0n], 'set-user-id');
  t.strictSame(keeps(0o102755), [3600n, 0n, 0n], 'set-group-id');
  t.strictSame(keeps(0o042755), [3600n, 3600n, 3600n], 'a directory');
});

t.test('an opened file: handle, how it is served, the number of a file that the kernel serves', async (t) => {
  const reply = used();
  t.equal(reply.openOut(8, 0x1_0203_0405, 0x21222324, 0x31323334), 16);
  const wanted = Buffer.alloc(16);
  wanted.writeBigUInt64LE(0x1_0203_0405n, 0);
  wanted.writeUInt32LE(0x21222324, 8);
  wanted.writeUInt32LE(0x31323334, 12);
  t.equal(reply.bytes.toString('hex', OUT_HEADER + 8, OUT_HEADER + 24), wanted.toString('hex'));
  t.equal(reply.bytes.toString('hex', OUT_HEADER, OUT_HEADER + 8), 'ee'.repeat(8), 'what is before it stays');
});

t.test('statfs: sizes in blocks, and zeros in the spare words', async (t) => {
  const reply = used();
  const [blocks, bfree, bavail, files, ffree] = [0x1_0000_0001, 0x2_0000_0002, 0x3_0000_0003, 0x4_0000_0004, 5];
  t.equal(reply.statfsOut({ blocks, bfree, bavail, files, ffree, bsize: 4096 }, 255), 80);
  const wanted = Buffer.alloc(80);
  for (const [at, value] of [blocks, bfree, bavail, files, ffree].entries())
    wanted.writeBigUInt64LE(BigInt(value), at * 8);
  for (const [at, value] of [4096, 255, 4096].entries()) wanted.writeUInt32LE(value, 40 + at * 4);
  t.equal(reply.bytes.toString('hex', OUT_HEADER, OUT_HEADER + 80), wanted.toString('hex'));
});

t.test('a reply has its length, its number and its error, and not a byte more', async (t) => {
  const reply = used();
  const body = reply.bytes.toString('hex', OUT_HEADER, OUT_HEADER + 24);
  const header = (length: number, error: number): string => {
    const bytes = Buffer.alloc(OUT_HEADER);
    bytes.writeUInt32LE(length, 0);
    bytes.writeInt32LE(error, 4);
    bytes.writeBigUInt64LE(0xfedcba98_76543210n, 8);
    return bytes.toString('hex');
  };
  const [low, high] = [0x76543210, 0xfedcba98];
  t.equal(sent((device) => reply.send(device, low, high, 24)).toString('hex'), header(40, 0) + body);
  t.equal(sent((device) => reply.sendError(device, low, high, 5)).toString('hex'), header(16, -5));
  t.equal(sent((device) => reply.send(device, low, high, 0)).toString('hex'), header(16, 0));
});

t.test('what is cleared is zero, and nothing else', async (t) => {
  const reply = used();
  const before = Buffer.from(reply.bytes);
  reply.clear(8, 80);
  t.ok(reply.bytes.equals(before.fill(0, OUT_HEADER + 8, OUT_HEADER + 88)));
});

t.test('the numbers of a request', async (t) => {
  const request = new Request(new ArrayBuffer(128));
  const bytes = Buffer.from(request.bytes.buffer);
  const words = [60, 0xffffffff, 0x11121314, 0xf1121314, 7, 0xfffffffe, 0xa1a2a3a4, 0xb1b2b3b4, 1234];
  for (const [at, value] of words.entries()) bytes.writeUInt32LE(value, at * 4);
  const { length, opcode, uniqueLow, uniqueHigh, row, generation, uid, gid, pid } = request;
  t.strictSame(
    [length, opcode, uniqueLow, uniqueHigh, row, generation, uid, gid, pid],
    [60, 0xffffffff, 0x11121314, 0xf1121314, 7, -2, 0xa1a2a3a4, 0xb1b2b3b4, 1234],
  );
  for (const value of [0n, 1n, 0xffffffffn, 0x1_0000_0001n, 2n ** 53n - 1n]) {
    bytes.writeBigUInt64LE(value, IN_HEADER + 8);
    t.equal(request.u64(8), Number(value));
    for (const signed of [value, -value]) {
      bytes.writeBigInt64LE(signed, IN_HEADER + 8);
      t.ok(request.i64(8) === Number(signed), `${signed}`);
    }
    t.equal(request.u32(8), Number(BigInt.asUintN(32, -value)));
  }
});

t.test('a name ends at its zero, and never beyond the request', async (t) => {
  const request = new Request(new ArrayBuffer(128));
  const bytes = Buffer.from(request.bytes.buffer);
  bytes.write('first\0second\xff\0rest of an earlier request\0', IN_HEADER, 'latin1');
  bytes.writeUInt32LE(IN_HEADER + 14, 0);
  t.equal(request.name(0), 'first');
  t.equal(request.name(6), 'second\xff');
  bytes.writeUInt32LE(IN_HEADER + 9, 0);
  t.equal(request.name(6), 'sec');
});
