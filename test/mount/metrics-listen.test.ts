// Mounts that serve metrics: three at once, the exporter over them, and a real Prometheus.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { findRegistered } from '../../src/mount/registry.js';
import { httpRequest } from '../support/http.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { PROMETHEUS, prometheusMissing, promtool } from '../support/promtool.js';
import { temporaryDirectory } from '../support/swept.js';
import { type SmallMount, unmounted } from './small-mount.js';

t.setTimeout(280_000);

async function mountWith(t: Test, ...options: string[]): Promise<SmallMount> {
  const mount = unmounted(t);
  const { status, stderr } = await tryMount(mount, ...options);
  if (status !== 0) throw new Error(stderr);
  return mount;
}

function tryMount({ catalog, mountpoint, diff }: SmallMount, ...options: string[]) {
  return pbkfs(['mount', '-B', catalog, '-I', 'main', '-i', 'latest', '-D', mountpoint, '-d', diff, ...options]);
}

/** What `pbkfs list --json` says of a mount. */
function metricsAddress(listed: string, mountpoint: string): string | null | undefined {
  const { mounts } = JSON.parse(listed) as { mounts: { mountpoint: string; metricsAddress: string | null }[] };
  return mounts.find((mount) => mount.mountpoint === mountpoint)?.metricsAddress;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A program that is ended with the test; resolves with the first line it prints that matches. */
async function start(t: Test, command: string, args: readonly string[], sign: RegExp): Promise<string> {
  const child: ChildProcess = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  t.teardown(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return new Promise((resolve, reject) => {
    let said = '';
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        said += `${line}\n`;
        if (sign.test(line)) resolve(line);
      });
    }
    ended.then(() => reject(new Error(`${command} ended: ${said}`)));
  });
}

t.test('mounts, exporter and Prometheus', { skip: mountMissing }, async (t) => {
  const one = await mountWith(t, '--metrics-listen');
  const two = await mountWith(t, '--metrics-listen', '127.0.0.1', '--log-activity', '1');
  const socket = join(one.base, 'metrics.sock');
  const three = await mountWith(t, '--metrics-listen', `unix:${socket}`);
  const address = (mount: SmallMount): string => findRegistered(mount.mountpoint)!.metricsAddress!;

  t.not(address(one), address(two), 'the second falls to another port');
  t.equal(address(three), `unix:${socket}`);
  const listed = await pbkfs(['list', '--json']);
  for (const mount of [one, two, three]) t.equal(metricsAddress(listed.stdout, mount.mountpoint), address(mount));
  await t.test('a read-only mount is listed with its address too', async (t) => {
    const { catalog, mountpoint } = unmounted(t);
    const where = ['-B', catalog, '-I', 'main', '-i', 'latest', '-D', mountpoint];
    t.match(await pbkfs(['mount', ...where, '--read-only', '--metrics-listen', '127.0.0.1:0']), {
      status: 0,
      stdout: /\nmetrics: http:\/\/127\.0\.0\.1:\d+\/metrics\n/,
    });
    const { stdout } = await pbkfs(['list', '--json']);
    t.match(await httpRequest(metricsAddress(stdout, mountpoint)!, '/healthz'), { status: 200 });
    t.match(await pbkfs(['unmount', '-D', mountpoint]), { status: 0 });
  });
  for (const mount of [one, two, three]) {
    readFileSync(mount.path('PG_VERSION'));
    const { status, body } = await httpRequest(address(mount), '/metrics');
    t.equal(status, 200);
    t.match(body, `pbkfs_mount_start_time_seconds{mountpoint="${mount.mountpoint}"}`);
    t.match(await httpRequest(address(mount), '/healthz'), { status: 200, body: 'ok\n' });
    const page = await httpRequest(address(mount), '/');
    const titles = [...page.body.matchAll(/<th align="left">([^<]+)/g)].map(([, title]) => title);
    const known = ['version', 'catalog', 'instance', 'backupId', 'diff', 'startedAt', 'pid', 'chainState'];
    t.strictSame(titles, ['mount point', ...known, 'health'], 'a page for people');
    t.match(await httpRequest(address(mount), '/'), { status: 200, body: new RegExp(mount.mountpoint) });
    t.equal(JSON.parse(readFileSync(mount.path('.pbkfs/status.json'), 'utf8')).metrics, address(mount));
  }

  const taken = unmounted(t);
  const port = address(one).split(':').at(-1)!;
  t.match(await tryMount(taken, '--metrics-listen', `127.0.0.1:${port}`), {
    status: 1,
    stderr: /cannot serve metrics on 127\.0\.0\.1:\d+: somebody else does already\nhint: /,
  });
  t.notOk(taken.mounted);
  t.notOk(existsSync(join(taken.diff, 'binding.json')), 'nothing is left of a mount that was refused');

  const program = one.program;
  const said = await start(
    t,
    process.execPath,
    [...program, 'exporter', '-B', one.catalog, '--listen', '127.0.0.1:0'],
    /^serving metrics on /,
  );
  const exporter = said.replace('serving metrics on ', '');
  const all = (await httpRequest(exporter, '/metrics')).body;
  for (const mount of [one, two, three]) {
    t.match(all, `pbkfs_mount_up{mountpoint="${mount.mountpoint}"} 1`);
    t.match(all, `pbkfs_backup_lock_held{mountpoint="${mount.mountpoint}"} 1`);
  }
  t.match(all, `pbkfs_catalog_up{catalog="${one.catalog}"} 1`);
  t.match(all, `pbkfs_catalog_backups{catalog="${one.catalog}",backup_instance="main",mode="FULL",status="OK"} 1`);
  t.match(await httpRequest(exporter, '/healthz'), { status: 200 });

  await t.test('promtool and Prometheus understand it', { skip: prometheusMissing }, async (t) => {
    t.strictSame(promtool(['check', 'metrics'], all), { status: 0, said: '' });
    const directory = temporaryDirectory('pbkfs-prometheus-');
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const targets = [exporter, address(one)].map((target) => `'${target.replace('http://', '')}'`);
    writeFileSync(
      join(directory, 'prometheus.yml'),
      `scrape_configs:\n  - job_name: pbkfs\n    scrape_interval: 1s\n    static_configs:\n      - targets: [${targets.join(', ')}]\n`,
    );
    const listen = `127.0.0.1:${await freePort()}`;
    await start(
      t,
      PROMETHEUS,
      [
        `--config.file=${directory}/prometheus.yml`,
        `--storage.tsdb.path=${directory}/data`,
        `--web.listen-address=${listen}`,
      ],
      /Server is ready to receive web requests/,
    );
    const query = async (text: string): Promise<number> => {
      const { body } = await httpRequest(`http://${listen}`, `/api/v1/query?query=${encodeURIComponent(text)}`);
      const found = JSON.parse(body) as { data: { result: { value: [number, string] }[] } };
      return Number(found.data.result[0]?.value[1] ?? 0);
    };
    const until = async (text: string, wanted: number): Promise<void> => {
      for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
        if ((await query(text)) === wanted) break;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      t.equal(await query(text), wanted, text);
    };
    await until('sum(up{job="pbkfs"})', 2);
    await until(`count(pbkfs_mount_info{mountpoint="${one.mountpoint}"})`, 2);
    await until(`sum(pbkfs_mount_up{mountpoint="${three.mountpoint}"})`, 1);
    await until(`sum(pbkfs_catalog_mountable_backups{catalog="${one.catalog}",mode="FULL"})`, 1);
    await until('count(histogram_quantile(0.99, sum by (le) (pbkfs_fuse_request_duration_seconds_bucket)))', 1);
  });

  await one.kill9();
  t.match((await httpRequest(exporter, '/metrics')).body, `pbkfs_mount_up{mountpoint="${one.mountpoint}"} 0`);
  for (const deadline = Date.now() + 30_000; !/ activity .*requests=/.test(two.log()) && Date.now() < deadline; ) {
    readFileSync(two.path('.pbkfs/stat'));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.match(two.log(), / INFO activity seconds=1 requests=\d+ .*readP99=/);
  await three.unmount();
  t.notOk(existsSync(socket), 'the socket goes with its mount');
  t.notMatch(two.log(), /ERROR|WARN/);
});
