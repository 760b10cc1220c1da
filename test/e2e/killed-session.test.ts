// rescue, drill and start ended in the middle of each of their steps, by every kind of end: nothing is left.
//
// PBKFS_STORM=long: every command with every signal at every step, and at many moments between them.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { mountsBelow, nothingLeftIn, serversBelow } from '../support/left-behind.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { serverDirectory, serverTempDir } from '../support/postgres.js';
import { hashTree } from '../support/tree.js';
import { until } from '../support/until.js';
import { smallStream } from './targets.js';

t.setTimeout(3_600_000);

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const TERMINAL = fileURLToPath(new URL('../support/terminal.cjs', import.meta.url));
const ON_TERMINAL = { NODE_OPTIONS: `--require=${TERMINAL}` };
const LONG = process.env.PBKFS_STORM === 'long';

type Command = 'rescue' | 'drill' | 'start';
type End = 'SIGKILL' | 'SIGINT' | 'SIGTERM' | 'SIGINT twice' | 'its server is killed' | 'its mount is killed';

/** In the order in which a session comes by. */
const steps = [
  'directory',
  'mount process',
  'mount',
  'server',
  'server recovers',
  'server gone',
  'mount gone',
] as const;
type Step = (typeof steps)[number];

/** Whether the step is reached. `seen` has what was there before. */
function reached(step: Step, scratch: string, seen: Set<string>): boolean {
  const mounted = mountsBelow(scratch).length > 0;
  const servers = serversBelow(scratch).length;
  if (mounted) seen.add('mount');
  if (servers > 0) seen.add('server');
  switch (step) {
    case 'directory':
      return readdirSync(scratch).length > 0;
    case 'mount process':
      return processesWith(`/mount/process.js\0${scratch}/`).length > 0;
    case 'mount':
      return mounted;
    case 'server':
      return servers > 0;
    // The postmaster and a child.
    case 'server recovers':
      return servers > 0 && processesWith('postgres: ').some((pid) => parentOf(pid) === serversBelow(scratch)[0]);
    case 'server gone':
      return seen.has('server') && servers === 0;
    case 'mount gone':
      return seen.has('mount') && !mounted;
  }
}

const CASES: readonly (readonly [Command, Step, End])[] = [
  ['rescue', 'server recovers', 'SIGINT twice'],
  ['rescue', 'mount', 'its mount is killed'],
  ['drill', 'mount process', 'SIGTERM'],
  ['drill', 'server recovers', 'its server is killed'],
  ['start', 'server', 'SIGTERM'],
];

const ENDS: readonly End[] = [
  'SIGKILL',
  'SIGINT',
  'SIGTERM',
  'SIGINT twice',
  'its server is killed',
  'its mount is killed',
];
const EVERY = (['rescue', 'drill', 'start'] as const).flatMap((command) =>
  steps
    .filter((step) => command !== 'start' || !step.endsWith('gone'))
    .flatMap((step) =>
      ENDS.filter((end) => !end.startsWith('its') || ['server', 'server recovers'].includes(step)).map(
        (end) => [command, step, end] as const,
      ),
    ),
);

t.test('a session that ends early', { skip: mountMissing }, async (t) => {
  const { catalog, instance, backup } = await smallStream(t);
  const base = serverTempDir(t);
  const scratch = serverDirectory(join(base, 'scratch'));
  const out = serverDirectory(join(base, 'out'));
  const before = hashTree(catalog);
  const source = ['-B', catalog, '-I', instance, '-i', backup];
  const sql = join(base, 'check.sql');
  writeFileSync(sql, 'select true');
  const env = { PATH: process.env.PATH, TMPDIR: scratch, XDG_STATE_HOME: join(base, 'state') };
  const begin = (command: Command, more: Record<string, string> = {}): ChildProcess => {
    const own = {
      rescue: ['--database', 'postgres', '--query', 'select 1', '-o', join(out, 'rows')],
      drill: ['--amcheck', '--checksums', '--sql', sql],
      start: ['--ephemeral'],
    }[command];
    const child = spawn(process.execPath, [CLI, command, ...source, ...own], {
      stdio: ['ignore', 'ignore', more === ON_TERMINAL ? 'pipe' : 'ignore'],
      detached: true,
      cwd: base,
      env: { ...env, ...more },
    });
    t.teardown(() => child.kill('SIGKILL'));
    return child;
  };
  const finish = async (t: Test, child: ChildProcess, end: End): Promise<void> => {
    const [status, signal] =
      child.exitCode === null && child.signalCode === null
        ? await once(child, 'exit')
        : [child.exitCode, child.signalCode];
    if (end === 'SIGKILL') t.equal(signal, 'SIGKILL');
    else if (end.startsWith('SIGINT')) t.equal(status, 130);
    else if (end === 'SIGTERM') t.equal(status, 143);
    else t.equal(status, 1, 'it says that it failed');
    await nothingLeftIn(t, scratch);
    await until(() => readdirSync(out).length === 0, 30_000);
  };

  const wholeOrNothing = async (t: Test): Promise<void> => {
    await nothingLeftIn(t, scratch);
    // Whole or not at all.
    await until(() => readdirSync(out).every((name) => name === 'rows'), 30_000);
    rmSync(join(out, 'rows'), { force: true });
  };

  for (const [command, step, end] of LONG ? EVERY : CASES) {
    await t.test(`${command}, ${step}: ${end}`, async (t) => {
      const child = begin(command);
      const seen = new Set<string>();
      while (child.exitCode === null && !reached(step, scratch, seen)) await sleep(2);
      if (child.exitCode !== null) {
        // It may be over before a moment at its end is noticed.
        t.ok(step.endsWith('gone'), 'in the middle of it');
        return wholeOrNothing(t);
      }
      strike(child, end, scratch);
      if (step === 'mount gone') {
        // What it had to do is done but for the last rename.
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        return wholeOrNothing(t);
      }
      await finish(t, child, end);
    });
  }

  await t.test('in every step that it says it takes', async (t) => {
    const known = new Set<string>();
    for (const command of ['drill', 'rescue'] as const) {
      const whole = await stepsOf(begin(command, ON_TERMINAL));
      await wholeOrNothing(t);
      t.ok(whole.length >= 5, `${command}: ${whole.join(', ')}`);
      for (const step of whole.filter((step) => LONG || !known.has(step))) {
        known.add(step);
        const child = begin(command, ON_TERMINAL);
        const seen = await stepsOf(child, step);
        t.equal(seen.at(-1), step);
        t.equal(child.signalCode, 'SIGKILL', `${command}, ${step}`);
        await wholeOrNothing(t);
      }
    }
    const steps = await stepsOf(begin('start', ON_TERMINAL));
    t.ok(
      steps.length >= 3 && steps.every((step) => known.has(step)),
      `start has no step of its own: ${steps.join(', ')}`,
    );
    t.match(await pbkfs(['stop', '-D', mountsBelow(scratch)[0]!], env as Record<string, string>), { status: 0 });
    await nothingLeftIn(t, scratch);
    for (const step of LONG ? steps : []) {
      const child = begin('start', ON_TERMINAL);
      t.equal((await stepsOf(child, step)).at(-1), step);
      t.equal(child.signalCode, 'SIGKILL', `start, ${step}`);
      await nothingLeftIn(t, scratch);
    }
  });

  await t.test('as soon as it makes the directory of its server', async (t) => {
    const deadly = join(base, 'deadly.cjs');
    writeFileSync(
      deadly,
      `const fs = require('node:fs');
      const { writeFileSync } = fs;
      fs.writeFileSync = (file, ...more) => {
        writeFileSync(file, ...more);
        if (String(file).endsWith('pg_hba.conf')) process.kill(process.pid, 'SIGKILL');
      };
      require('node:module').syncBuiltinESMExports();`,
    );
    const child = begin('drill', { NODE_OPTIONS: `--require=${deadly}` });
    t.strictSame(await once(child, 'exit'), [null, 'SIGKILL']);
    await nothingLeftIn(t, scratch);
  });

  await t.test('with its guard', async (t) => {
    const guarded = async (command: Command): Promise<[session: ChildProcess, guard: number]> => {
      const child = begin(command);
      const seen = new Set<string>();
      while (child.exitCode === null && !reached('server', scratch, seen)) await sleep(2);
      return [child, processesWith('/session/guard.js\0').find((pid) => parentOf(pid) === String(child.pid))!];
    };
    const [session, guard] = await guarded('drill');
    process.kill(guard, 'SIGKILL');
    const successor = (pid: number): boolean => pid !== guard && parentOf(pid) === String(session.pid);
    await until(() => processesWith('/session/guard.js\0').some(successor), 30_000);
    session.kill('SIGKILL');
    await once(session, 'exit');
    await nothingLeftIn(t, scratch);

    const [other, both] = await guarded('rescue');
    // So that it does not notice.
    other.kill('SIGSTOP');
    process.kill(both, 'SIGKILL');
    other.kill('SIGKILL');
    await once(other, 'exit');
    t.ok(serversBelow(scratch).length > 0 && mountsBelow(scratch).length > 0, 'a server and a mount are left');
    const cleaned = await pbkfs(['cleanup', '--sessions', '--json'], env as Record<string, string>);
    t.equal(cleaned.status, 0, cleaned.stderr);
    t.match(cleaned.stdout, `"${scratch}/pbkfs-session-`);
    await nothingLeftIn(t, scratch);
    t.match(await pbkfs(['cleanup', '--sessions'], env as Record<string, string>), { status: 0, stdout: /^no killed/ });
    t.strictSame(readdirSync(out), [], 'no output');

    writeFileSync(join(base, 'here.cjs'), '');
    const relative = begin('rescue', { NODE_OPTIONS: '--require=./here.cjs' });
    t.strictSame(await once(relative, 'exit'), [1, null], 'no process of ours can run in /');
    await nothingLeftIn(t, scratch);
  });

  await t.test('at any moment', { skip: LONG ? false : 'PBKFS_STORM=long does this' }, async (t) => {
    for (let ms = 0; ms < 6000; ms += 60) {
      const child = begin((['rescue', 'drill'] as const)[(ms / 60) % 2]!);
      await Promise.race([sleep(ms), once(child, 'exit')]);
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      await wholeOrNothing(t);
    }
  });
  t.equal(hashTree(catalog), before, 'the catalog is as it was, without locks');
});

function strike(child: ChildProcess, end: End, scratch: string): void {
  if (end === 'its server is killed') process.kill(Number(serversBelow(scratch)[0]), 'SIGKILL');
  else if (end === 'its mount is killed') process.kill(processesWith(`/mount/process.js\0${scratch}/`)[0]!, 'SIGKILL');
  else if (end === 'SIGINT twice') {
    child.kill('SIGINT');
    setTimeout(() => child.kill('SIGINT'), 20);
  } else child.kill(end);
}

/** The steps that a session shows. @param deadly kill it in that one */
async function stepsOf(child: ChildProcess, deadly?: string): Promise<string[]> {
  const steps: string[] = [];
  const ended = once(child, 'exit');
  child.stderr!.on('data', (bytes: Buffer) => {
    for (const [, step] of bytes.toString().matchAll(/\r([^\r]*) …/g)) {
      if (!steps.includes(step!) && child.signalCode === null && !(deadly !== undefined && steps.includes(deadly)))
        steps.push(step!);
      if (step === deadly) child.kill('SIGKILL');
    }
  });
  await ended;
  return steps;
}

/** Ids of processes whose command line contains this. */
function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}

function parentOf(pid: number): string | undefined {
  try {
    return /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}
