// The sync of the journal in the background, beside those of data threads.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import t, { type Test } from 'tap';
import { JournalSync } from '../../src/fs/journal-sync.js';
import { journalWords, syncUpToNow } from '../../src/overlay/data/group-sync.js';
import { control } from '../../src/overlay/shared/shared-state.js';

/** A journal with a record that was not synced. */
function unsynced(t: Test) {
  const path = `${t.testdir({ journal: 'a record' })}/journal`;
  const fd = fs.openSync(path, 'r+');
  t.teardown(() => fs.closeSync(fd));
  const words = new Int32Array(new SharedArrayBuffer(256));
  words[control.journalFd] = fd;
  words[control.journalAppended] = 1;
  return { path, fd, words };
}

/** A disk that cannot write the journal: the kernel tells each open file of it once, and the sync after that succeeds. */
function failingDisk(t: Test) {
  const { fdatasync, fdatasyncSync } = fs;
  const told = new Set<number>();
  const synced: string[] = [];
  const sync = (fd: number) => {
    synced.push(fs.readlinkSync(`/proc/self/fd/${fd}`));
    if (told.has(fd)) return;
    told.add(fd);
    throw Object.assign(new Error('EIO'), { code: 'EIO' });
  };
  const later = (fd: number, ended: fs.NoParamCallback) => {
    let failure: Error | null = null;
    try {
      sync(fd);
    } catch (error) {
      failure = error as Error;
    }
    setImmediate(ended, failure);
  };
  Object.assign(fs, { fdatasync: later, fdatasyncSync: sync });
  syncBuiltinESMExports();
  t.teardown(() => {
    Object.assign(fs, { fdatasync, fdatasyncSync });
    syncBuiltinESMExports();
  });
  return synced;
}

t.test('a failure of which it hears first is heard of by data threads as well', async (t) => {
  const { path, fd, words } = unsynced(t);
  const synced = failingDisk(t);
  let heard: () => void = () => undefined;
  const started = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const ended = new Promise<Error | null>((resolve) => {
    new JournalSync(words, resolve).start();
    const look = () => (synced.length > 0 ? heard() : setImmediate(look));
    look();
  });
  await started;
  t.same(synced, [path], 'it has been told, and has said nothing yet');
  t.equal(words[control.journalFailed], 0);
  t.throws(() => syncUpToNow(words, journalWords, () => fs.fdatasyncSync(fd)), { code: 'EIO' });
  t.match(await ended, { code: 'EIO' });
  t.equal(words[control.journalFailed], 1);
});

t.test('it counts what was there when it began, and leaves nothing open', async (t) => {
  const { words } = unsynced(t);
  const before = fs.readdirSync('/proc/self/fd').length;
  const error = await new Promise<Error | null>((resolve) => {
    new JournalSync(words, resolve).start();
    words[control.journalAppended] = 2;
  });
  t.equal(error, null);
  t.equal(words[control.journalSynced], 1);
  t.equal(fs.readdirSync('/proc/self/fd').length, before);
});

t.test('a journal that cannot be opened is not one whose sync has failed', async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(256));
  words[control.journalFd] = 1e6;
  words[control.journalAppended] = 1;
  const error = await new Promise<Error | null>((resolve) => new JournalSync(words, resolve).start());
  t.match(error, { code: 'ENOENT' });
  t.equal(words[control.journalFailed], 0);
});
