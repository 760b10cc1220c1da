import { once } from 'node:events';
import t from 'tap';
import { mountMissing } from '../../support/mount.js';
import { until } from '../../support/until.js';
import { fakeMount } from '../fake/mount.js';

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) {
  t.test(`${signal} ends a foreground mount cleanly`, { skip: mountMissing }, async (t) => {
    const mount = await fakeMount(t);
    const child = mount.start('none', {}, true);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const closed = once(child, 'close');
    await once(child.stdout, 'data');
    t.ok(mount.isMounted());
    child.kill(signal);
    t.strictSame(await closed, [0, null]);
    t.notOk(mount.isMounted());
    t.equal(mount.state().state, 'clean');
    t.match(
      stderr,
      /INFO ready .*\n.*INFO asked to stop reason=SIG.*\n.*INFO unmounted status=0/,
      'the log is the terminal',
    );
  });
}

t.test('a failed last sync gives exit 1', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  const child = mount.start('lose', {}, true);
  const closed = once(child, 'close');
  await until(() => mount.isMounted());
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  t.strictSame(await closed, [1, null]);
  t.equal(mount.state().state, 'failed');
});
