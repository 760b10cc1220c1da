// Memory of a server: a share of what this host, or its control group, has.

import t from 'tap';
import { availableMemory, memorySettings } from '../../src/postgres/memory.js';

const [MIB, GIB] = [2 ** 20, 2 ** 30];

t.test('an eighth, from 32 MB to 1 GB', async (t) => {
  t.match(memorySettings(4 * GIB), { shared_buffers: '512MB', maintenance_work_mem: '128MB' });
  t.match(memorySettings(100 * MIB), { shared_buffers: '32MB', maintenance_work_mem: '16MB' });
  t.match(memorySettings(900 * GIB), { shared_buffers: '1024MB' });
});

t.test('of the least of the limits there are', async (t) => {
  const files: Record<string, string> = {
    '/proc/self/cgroup': '0::/a/b\n',
    '/sys/fs/cgroup/a/b/memory.max': `${512 * MIB}\n`,
    '/sys/fs/cgroup/a/memory.max': `${2 * GIB}\n`,
    '/sys/fs/cgroup/memory.max': 'max\n',
  };
  const read = (file: string): string => files[file] ?? '';
  t.equal(availableMemory(read, 8 * GIB), 512 * MIB, 'its control group');
  t.equal(availableMemory(read, 256 * MIB), 256 * MIB, 'the machine');
  files['/sys/fs/cgroup/a/b/memory.max'] = 'max\n';
  t.equal(availableMemory(read, 8 * GIB), 2 * GIB, 'the one around it');
  files['/sys/fs/cgroup/a/memory.max'] = 'max\n';
  t.equal(availableMemory(read, 8 * GIB), 8 * GIB, 'none');
  files['/sys/fs/cgroup/memory/memory.limit_in_bytes'] = `${GIB}\n`;
  t.equal(availableMemory(read, 8 * GIB), GIB, 'of version 1');
  t.ok(availableMemory() > 64 * MIB);
});
