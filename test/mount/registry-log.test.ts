// The log of a read-only mount: there while it lives and after a kill, gone after a clean end and in time.

import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isMounted, mountMissing, pbkfs } from '../support/mount.js';
import { unmounted } from './small-mount.js';

const DAY = 24 * 60 * 60;

t.test(
  'the log beside the registry goes with a clean end and stays after a kill',
  { skip: mountMissing },
  async (t) => {
    const mount = unmounted(t);
    const { mountpoint, catalog } = mount;
    const registry = join(mount.base, 'state/pbkfs');
    const env = { XDG_STATE_HOME: join(mount.base, 'state') };
    const logs = (): string[] => readdirSync(registry).filter((name) => name.endsWith('.log'));
    const begin = async (...args: string[]): Promise<number> => {
      const source = ['-B', catalog, '-I', 'main', '-i', 'latest', '-D', mountpoint];
      const result = await pbkfs(['mount', ...source, '--read-only', ...args], env);
      t.match(result, { status: 0, stderr: '' });
      return Number(/process (\d+)/.exec(result.stdout)![1]);
    };
    const end = async (): Promise<void> => {
      t.match(await pbkfs(['unmount', '-D', mountpoint], env), { status: 0 });
      t.notOk(isMounted(mountpoint));
    };

    mkdirSync(registry, { recursive: true, mode: 0o700 });
    const now = Date.now() / 1000;
    for (const [name, days] of [
      ['old.log', 8],
      ['young.log', 6],
      ['old.baseline', 8],
    ] as const) {
      writeFileSync(join(registry, name), '');
      utimesSync(join(registry, name), now, now - days * DAY);
    }
    const killed = await begin();
    t.notOk(logs().includes('old.log'), 'nobody asks for it any more');
    t.ok(readdirSync(registry).includes('young.log') && readdirSync(registry).includes('old.baseline'));
    const own = logs().find((name) => name.endsWith(`.${killed}.log`))!;
    t.match(readFileSync(join(registry, own), 'utf8'), / INFO ready /);
    process.kill(killed, 'SIGKILL');
    await end();
    t.ok(logs().includes(own), 'who looks for the reason finds it');

    const second = await begin();
    t.equal(logs().length, 3, 'a log of its own');
    await end();
    t.strictSame(logs().sort(), [own, 'young.log'].sort(), 'after a clean end there is nothing to ask');
    t.ok(second !== killed);

    const named = join(mount.base, 'named.log');
    await begin('--log-file', named);
    await end();
    t.match(readFileSync(named, 'utf8'), /unmounted/, 'a file that was named is its owner’s');
    t.strictSame(logs().length, 2);
    const refused = await pbkfs(
      [
        'mount',
        '-B',
        catalog,
        '-I',
        'main',
        '-i',
        'latest',
        '-D',
        mountpoint,
        '--read-only',
        '--pid-file',
        '/nowhere/pid',
      ],
      env,
    );
    t.equal(refused.status, 1);
    t.strictSame(logs().length, 2, 'nor after a refusal, which says everything');
  },
);
