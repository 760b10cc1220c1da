// `npm run demo`: a real pg_probackup chain is mounted, PostgreSQL runs on it and writes, and its writes are kept.

import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findServer } from '../src/postgres/find-server.js';
import { reachableTempDir } from '../src/postgres/reachable.js';
import { serverUser } from '../src/postgres/server-user.js';
import { bundledChain } from './chain.js';
import { Cleanup } from './cleanup.js';
import { missingParts } from './machine.js';
import { diskUsage, printTable, readCounters } from './results.js';
import { type Ask, type SessionOptions, session } from './session.js';

async function demo(cleanup: Cleanup): Promise<void> {
  const user = serverUser();
  const binaries = findServer({ major: 15, user });
  const base = mkdtempSync(join(reachableTempDir(user), 'pbkfs-demo-'));
  cleanup.defer(`remove ${base}`, () => rmSync(base, { recursive: true, force: true }));
  chmodSync(base, 0o711);
  const mountpoint = join(base, 'mount');
  const diff = join(base, 'diff');
  mkdirSync(mountpoint, { mode: 0o700 });
  chownSync(mountpoint, user.uid, user.gid);

  console.log('The backup: a chain made by pg_probackup');
  const unpacking = bundledChain(join(base, 'catalog'));
  const unpacked = cleanup.defer('unpack', () => unpacking.catch(() => {}));
  const chain = await unpacking;
  unpacked();
  for (const member of chain.members) console.log(`  ${member}`);

  const common = { cleanup, mountpoint, binaries, user };
  const target = ['-B', chain.catalog, '-I', chain.instance, '-i', 'latest'];
  console.log('\nFirst mount');
  const first: SessionOptions = { ...common, mountArguments: ['mount', ...target, '-D', mountpoint, '-d', diff] };
  const firstTimes = await session(first, async (ask) => {
    await compareAnswers(ask, chain.answers);
    await ask('create schema demo');
    await ask('create table demo.written as select n, md5(n::text) as word from generate_series(1, 50000) n');
    await ask('create index on demo.written(word)');
    await ask('delete from demo.written where n % 2 = 0');
    await ask('checkpoint');
    console.log('  wrote a table of 50 000 rows, deleted half of them, checkpoint');
  });
  const counters = readCounters(diff);

  console.log('\nSecond mount, with the same diff');
  const second: SessionOptions = { ...common, mountArguments: ['mount', '-D', mountpoint, '-d', diff] };
  const secondTimes = await session(second, async (ask) => {
    const [found] = await ask(`select count(*) || ' rows, sum ' || sum(n) from demo.written where word = md5(n::text)`);
    if (found !== '25000 rows, sum 625000000') throw new Error(`the writes are not there: ${found}`);
    console.log(`  found what was written: ${found}`);
    await compareAnswers(ask, chain.answers);
  });

  console.log();
  printTable({ chain, first: firstTimes, second: secondTimes, counters, diffBytes: diskUsage(diff) });
}

/** The questions that the source cluster was asked before its backup; the answers must be the same. */
async function compareAnswers(ask: Ask, answers: Record<string, Record<string, string>>): Promise<void> {
  let asked = 0;
  for (const [database, questions] of Object.entries(answers)) {
    for (const [sql, wanted] of Object.entries(questions)) {
      const [answer] = await ask(sql, database);
      if (answer !== wanted) throw new Error(`${sql} in ${database}: ${answer} instead of ${wanted}`);
      asked++;
    }
  }
  console.log(`  ${asked} queries answered like the source cluster before its backup`);
}

const missing = missingParts();
if (missing.length > 0) {
  console.error(`The demo needs, and this machine does not have:\n${missing.map((part) => `  - ${part}`).join('\n')}`);
  process.exitCode = 1;
} else {
  const cleanup = new Cleanup();
  cleanup.onSignals();
  try {
    await demo(cleanup);
  } catch (error) {
    // After Ctrl-C whatever was under way fails: nothing to report.
    if (!cleanup.begun) {
      const { message, hint } = error as Error & { hint?: string };
      console.error(`demo: ${message}${hint === undefined ? '' : `\nhint: ${hint}`}`);
      process.exitCode = 1;
    }
  } finally {
    await cleanup.run();
  }
}
