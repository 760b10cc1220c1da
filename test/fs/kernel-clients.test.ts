import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CLIENTS_FILE, forgetClients, noteClients, refuseKernelClients } from '../../src/fs/kernel-clients.js';
import { mountMissing } from '../support/mount.js';

t.test(
  'a note of a connection that does not exist, of another boot, or half a note refuses nothing',
  {
    skip: mountMissing,
  },
  async (t) => {
    const diff = t.testdir();
    const note = join(diff, CLIENTS_FILE);
    refuseKernelClients(diff, true);
    noteClients(diff, '0:1048575');
    refuseKernelClients(diff, true);
    const { boot } = JSON.parse(readFileSync(note, 'utf8')) as { boot: string };
    t.match(boot, /^[0-9a-f-]{32,36}$/);
    writeFileSync(note, '{"boot":"');
    refuseKernelClients(diff, true);
    writeFileSync(note, JSON.stringify({ boot: 'another', device: '0:1' }));
    refuseKernelClients(diff, true);
    forgetClients(diff);
    t.notOk(existsSync(note));
    forgetClients(diff);
  },
);
