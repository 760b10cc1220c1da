// A thread that works on a mount by real system calls, until the mount is gone, and later says whether what it finds
// then is what it was promised.

import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { CrashModel, type FoundTree } from '../../support/power-loss-model.js';
import { seededRandom } from '../../support/seeded-random.js';
import { renameat2 } from '../../support/system-calls.js';
import { namesOfCatalog, RandomWork, type WorkedTree } from '../random-work.js';
import { type MountedWorkAnswer, type MountedWorkCommand, type MountedWorkData, shared } from './protocol.js';

const data = workerData as MountedWorkData;
const at = (path: string): string => `${data.mountpoint}/${path}`;
const random = seededRandom(data.seed);
const model = new CrashModel(namesOfCatalog(data.place));
const steps: string[] = [];
/** What the kernel says when the process behind a mount has gone. */
const GONE = ['ENOTCONN', 'ECONNABORTED', 'ENODEV'];
/** And where SIGKILL met it in read(2), at memory that has no page yet: fuse_dev_do_read() answers what it cannot copy. */
const CUT_OFF = 'EIO';

const tree: WorkedTree = {
  create: (path) => fs.closeSync(fs.openSync(at(path), 'wx', 0o600)),
  // To the end of the file or an error: where the mount dies, the kernel first says how far it has come.
  read(path, position, length) {
    return withFile(path, 'r', (fd) => {
      const out = Buffer.alloc(length);
      let count = 0;
      for (let more = 1; more > 0 && count < length; count += more) {
        more = fs.readSync(fd, out, count, length - count, position + count);
      }
      return out.subarray(0, count);
    });
  },
  write(path, position, bytes) {
    withFile(path, 'r+', (fd) => {
      for (let done = 0; done < bytes.length; ) {
        done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done);
      }
    });
  },
  truncate: (path, length) => fs.truncateSync(at(path), length),
  fsync: (path) => withFile(path, 'r+', (fd) => fs.fsyncSync(fd)),
  fsyncdir: (path) => withFile(path, 'r', (fd) => fs.fsyncSync(fd)),
  unlink: (path) => fs.unlinkSync(at(path)),
  chmod: (path, mode) => fs.chmodSync(at(path), mode),
  rename: (from, to, flags) => renameat2(at(from), at(to), flags),
  mkdir: (path, mode) => fs.mkdirSync(at(path), { mode }),
  rmdir: (path) => fs.rmdirSync(at(path)),
};

function withFile<T>(path: string, flags: string, use: (fd: number) => T): T {
  const fd = fs.openSync(at(path), flags);
  try {
    return use(fd);
  } finally {
    fs.closeSync(fd);
  }
}

const work = new RandomWork(tree, model, data.place, (limit) => Math.floor(random() * limit), {
  note: (step) => void steps.push(step),
  fsyncs: () => undefined,
  isCut: () => false,
});

/** A change that was cut off by the end of the mount may have happened or not; the model knows both. */
function workOn(): MountedWorkAnswer {
  try {
    while (Atomics.load(data.shared, shared.stop) === 0) {
      work.step();
      model.acknowledged();
      Atomics.add(data.shared, shared.acknowledged, 1);
    }
    return null;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (GONE.includes(code) || (code === CUT_OFF && Atomics.load(data.shared, shared.killed) === 1)) return null;
    return `${(error as Error).stack}\n${last()}`;
  }
}

function check(): MountedWorkAnswer {
  const found = findTree();
  // The contract of a kill is that of a power loss after which everything but the last call had been synced.
  const objection = model.objectionAfterPowerLoss(found);
  if (objection !== undefined) return `${objection}\n${last()}`;
  model.settle(found);
  return null;
}

function findTree(): FoundTree {
  const found = new Map<string, { content: Buffer | null; mode: number }>();
  const add = (path: string): void => {
    const stat = fs.lstatSync(at(path), { throwIfNoEntry: false });
    if (stat === undefined) return;
    const content = stat.isDirectory() ? null : fs.readFileSync(at(path));
    found.set(path, { content, mode: stat.mode & 0o7777 });
    if (content === null && path !== 'base/1') for (const name of fs.readdirSync(at(path))) add(`${path}/${name}`);
  };
  for (const path of ['base/1', ...data.place.directories, ...data.place.paths]) if (!found.has(path)) add(path);
  return found;
}

function last(): string {
  return steps.slice(-100).join('\n');
}

parentPort!.on('message', (command: MountedWorkCommand) => {
  let answer: MountedWorkAnswer;
  try {
    answer = command === 'work' ? workOn() : check();
  } catch (error) {
    answer = `${(error as Error).stack}\n${last()}`;
  }
  parentPort!.postMessage(answer);
});
