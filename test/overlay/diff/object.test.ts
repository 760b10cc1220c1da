// Objects: names, creation that leaves nothing behind, removal.

import fs from 'node:fs';
import t from 'tap';
import {
  bootId,
  closeObject,
  createObject,
  listObjects,
  NodeStorage,
  newObjectId,
  openObject,
  removeObject,
  stateSize,
} from '../../../src/overlay/diff/index.js';
import { BOOT } from './file-under-test.js';
import { SimulatedDisk } from './simulated-disk.js';

const options = { baseIdentity: 'B/base/1/2', baseLength: 8192, bootId: BOOT };
const region = () => ({ buffer: new SharedArrayBuffer(stateSize(8192)), byteOffset: 0 });

t.test('an object is two files named by 128 random bits', async (t) => {
  const directory = t.testdir();
  const storage = new NodeStorage();
  const object = createObject(storage, directory, options, region());
  t.match(object.objectId, /^[0-9a-f]{32}$/);
  t.same(fs.readdirSync(directory).sort(), [object.objectId, `${object.objectId}.map`]);
  t.not(newObjectId(), newObjectId());
  closeObject(storage, object);
  const opened = openObject(storage, directory, object.objectId);
  closeObject(storage, opened);
  removeObject(storage, directory, object.objectId);
  removeObject(storage, directory, object.objectId);
  t.same(fs.readdirSync(directory), []);
  t.throws(() => openObject(storage, directory, object.objectId), { code: 'ENOENT' });
});

t.test('a creation that fails at any storage call leaves nothing behind (trap 22)', async (t) => {
  for (let at = 0; at < 4; at++) {
    const disk = new SimulatedDisk();
    disk.setFault({ kind: 'error', at, code: 'ENOSPC', half: true, lasting: false });
    t.throws(() => createObject(disk, 'objects', options, region()), { code: 'ENOSPC' }, `call ${at}`);
    t.same(disk.readdir('objects'), []);
  }
});

t.test('both files of an object are closed, also when closing the first one fails', async (t) => {
  const closed: number[] = [];
  class FailingCloses extends NodeStorage {
    override close(fd: number): void {
      closed.push(fd);
      throw Object.assign(new Error('EIO'), { code: 'EIO' });
    }
  }
  const [objectFd, mapFd] = [1000, 1001];
  const object = { objectId: newObjectId(), directory: 'objects', objectFd, mapFd };
  t.throws(() => closeObject(new FailingCloses(), object), { code: 'EIO' });
  t.strictSame(closed, [objectFd, mapFd]);
});

t.test('listing finds objects of which one file is left, and nothing else', async (t) => {
  const whole = newObjectId();
  const half = newObjectId();
  const directory = t.testdir({ [whole]: '', [`${whole}.map`]: '', [`${half}.map`]: '', journal: '', 'x.map': '' });
  t.same([...listObjects(new NodeStorage(), directory)].sort(), [whole, half].sort());
});

t.test('an id is never reused: creating it again fails', async (t) => {
  const disk = new SimulatedDisk();
  const { objectId } = createObject(disk, 'objects', options, region());
  t.throws(() => createObject(disk, 'objects', options, region(), objectId), { code: 'EEXIST' });
  t.equal(disk.readdir('objects').length, 2, 'the first one is untouched');
});

t.test('the boot id is a UUID', async (t) => {
  t.match(bootId(), /^[0-9a-f-]{36}$/);
});
