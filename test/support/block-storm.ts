// A worker of the block storm: writes blocks that carry counters, or reads them and judges what it sees.
//
// Shared words per block: `begun`, the counter of the newest write that has begun, and `ended`, of the newest that has
// returned. Every 512 bytes of a block carry its number and the counter, so that a read can tell which writes it saw:
// none older than what had ended before the read began, none newer than what had begun when it ended.

import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { BLOCK, type StormData, type StormResult } from './block-storm-data.js';

const SECTOR = 512;

const data = workerData as StormData;
const begun = new Int32Array(data.words, 0, data.blocks);
const ended = new Int32Array(data.words, data.blocks * 4, data.blocks);
const buffer = Buffer.alloc(BLOCK);
const fd = fs.openSync(data.path, 'r+');
const result: StormResult = { operations: 0, faults: [] };
const until = Date.now() + data.milliseconds;

while (Date.now() < until && result.faults.length === 0) {
  for (let block = data.first; block < data.blocks; block += data.step) {
    if (data.role === 'writer') write(block);
    else if (data.role === 'reader') read(block);
    else fs.fdatasyncSync(fd);
    result.operations++;
  }
}
fs.closeSync(fd);
parentPort!.postMessage(result);

function write(block: number): void {
  const count = Atomics.add(begun, block, 1) + 1;
  for (let at = 0; at < BLOCK; at += SECTOR) {
    buffer.fill(count & 0xff, at, at + SECTOR);
    buffer.writeUInt32LE(block, at);
    buffer.writeUInt32LE(count, at + 4);
  }
  // Whole blocks, halves, and odd parts, which the server has to merge.
  const parts = [
    [0, BLOCK],
    [0, 4096, BLOCK],
    [0, 512, 5 * 512, BLOCK],
  ][count % 3]!;
  for (let i = 0; i + 1 < parts.length; i++) {
    fs.writeSync(fd, buffer, parts[i]!, parts[i + 1]! - parts[i]!, block * BLOCK + parts[i]!);
  }
  Atomics.store(ended, block, count);
}

function read(block: number): void {
  const oldest = Atomics.load(ended, block);
  const length = fs.readSync(fd, buffer, 0, BLOCK, block * BLOCK);
  const newest = Atomics.load(begun, block);
  if (length !== BLOCK) result.faults.push(`block ${block}: ${length} bytes`);
  for (let at = 0; at < BLOCK && newest > 0; at += SECTOR) {
    const [number, count] = [buffer.readUInt32LE(at), buffer.readUInt32LE(at + 4)];
    // Before the first write has returned the sector may still be the backup's.
    if (oldest === 0) continue;
    if (number !== block || count < oldest || count > newest) {
      result.faults.push(`block ${block} at ${at}: found ${count} of block ${number}, expected ${oldest}..${newest}`);
    }
    // The tail of a sector belongs to the same write, unless one is under way.
    if (oldest === newest && buffer[at + SECTOR - 1] !== (count & 0xff)) {
      result.faults.push(`block ${block} at ${at}: torn`);
    }
  }
}
