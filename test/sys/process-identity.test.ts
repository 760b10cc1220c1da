import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { bootId, isAlive, selfIdentity } from '../../src/sys/process-identity.js';

t.test('we-are-alive-but-not-our-pid-of-another-time-or-boot (trap 32)', async (t) => {
  const self = selfIdentity();
  t.equal(self.pid, process.pid);
  t.ok(isAlive(self));
  t.notOk(isAlive({ ...self, startTime: self.startTime + 1 }));
  t.notOk(isAlive({ ...self, bootId: '00000000-0000-0000-0000-000000000000' }));
});

t.test('an-ended-process-and-a-name-with-parentheses', async (t) => {
  const child = spawn(process.execPath, ['-e', 'process.title = "a) S (b"; setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  const { readFileSync } = await import('node:fs');
  let stat = '';
  while (!stat.includes('a) S (b')) {
    stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const startTime = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  const identity = { pid: child.pid!, startTime, bootId: bootId() };
  t.ok(isAlive(identity));
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.notOk(isAlive(identity));
});
