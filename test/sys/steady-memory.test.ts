import fs from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const node = { reads: 0, writes: 0 };
const { readSync, writeSync } = fs;
// The module takes its functions when it is loaded.
fs.readSync = ((...args: Parameters<typeof readSync>) => {
  node.reads++;
  return readSync(...args);
}) as typeof readSync;
fs.writeSync = ((...args: Parameters<typeof writeSync>) => {
  node.writes++;
  return writeSync(...args);
}) as typeof writeSync;
const { SteadyMemory } = await import('../../src/sys/steady-memory.js');
fs.readSync = readSync;
fs.writeSync = writeSync;

const OFTEN = 1100;
const content = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));

function openContent(t: Test): number {
  const file = join(t.testdir({}), 'content');
  fs.writeFileSync(file, content);
  const fd = fs.openSync(file, 'r');
  t.teardown(() => fs.closeSync(fd));
  return fd;
}

t.test('the same before and after it goes straight to the C library', async (t) => {
  const fd = openContent(t);
  const sink = fs.openSync(join(t.testdir({}), 'sink'), 'w+');
  t.teardown(() => fs.closeSync(sink));
  for (const memory of [new Uint8Array(3000), Buffer.alloc(3000), new Uint8Array(new SharedArrayBuffer(3000))]) {
    const reads = new SteadyMemory();
    const stream = new SteadyMemory();
    const writes = new SteadyMemory();
    const device = fs.openSync('/dev/zero', 'r+');
    for (let i = 0; i < OFTEN; i++) {
      const position = (i * 37) % 4000;
      memory.fill(0xa5);
      const wanted = Math.min(1500, content.length - position);
      if (reads.pread(fd, memory, 8, 1500, position) !== wanted) throw new Error(`round ${i}: a wrong count`);
      if (content.compare(memory, 8, 8 + wanted, position, position + wanted) !== 0)
        throw new Error(`round ${i}: wrong bytes`);
      if (memory[7] !== 0xa5 || memory[8 + wanted] !== 0xa5) throw new Error(`round ${i}: bytes around them`);
      if (stream.pread(device, memory, 0, 100, 0) !== 100) throw new Error(`round ${i}: read`);
      if (writes.write(device, memory, 0, 100) !== 100) throw new Error(`round ${i}: write`);
    }
    const before = { ...node };
    t.equal(reads.pread(fd, memory, 8, 100, 11), 100);
    t.equal(stream.pread(device, memory, 0, 10, 0), 10);
    t.equal(writes.write(sink, memory, 0, 3000), 3000);
    t.same(node, before, 'node:fs is not asked any more');
    t.equal(reads.pread(fd, memory, 9, 100, 11), 100, 'other memory');
    t.equal(reads.pread(fd, new Uint8Array(10), 8, 2, 11), 2);
    t.equal(node.reads, before.reads + 2);
    t.equal(reads.pread(fd, memory, 8, 100, 6000), 0, 'behind the end');
    t.throws(() => reads.pread(fd, memory, 8, 3000, 0), { code: 'ERR_OUT_OF_RANGE' }, 'never behind the memory');
    fs.closeSync(device);
    t.throws(() => reads.pread(device, memory, 8, 100, 0), { code: 'EBADF' });
    t.throws(() => stream.pread(device, memory, 0, 100, 0), { code: 'EBADF' });
    t.throws(() => writes.write(device, memory, 0, 100), { code: 'EBADF' });
  }
});
