// Between the first look at a chain and its lock somebody may have changed it: what counts is what is found once it is locked.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openCatalog, resolveChain } from '../../../src/backup/index.js';
import { PbkfsError } from '../../../src/errors.js';
import type { ServeOptions, Server } from '../../../src/fs/serve-types.js';
import { createLogger } from '../../../src/log.js';
import type { MountRequest } from '../../../src/mount/request.js';
import { bringUp } from '../../../src/mount/serving/bring-up.js';
import type { PreparedMount } from '../../../src/mount/serving/prepare.js';
import { scratchDirectory, writeSmallCatalog } from '../../support/small-catalog.js';

const catalog = writeSmallCatalog(join(scratchDirectory(), 'catalog'));
const chain = resolveChain(openCatalog(catalog), 'main', 'latest');
const isLocked = (): boolean => chain.members.every(({ directory }) => existsSync(join(directory, 'backup_ro.pid')));
const log = createLogger({ fd: 2, format: 'text', level: 'error' });
const request = { mountpoint: '/mnt', noRecoveryConfig: true } as MountRequest;

function prepared(recheck: PreparedMount['recheck']): PreparedMount {
  const paths = { mountpoint: '/mnt', catalog, owner: { uid: 0, gid: 0 } };
  return { paths, chain, claim: { fresh: true }, recheck } as unknown as PreparedMount;
}

t.test('the chain that was found under the lock is served', async (t) => {
  const found = { ...chain };
  let served: ServeOptions | undefined;
  const recheck = () => {
    t.ok(isLocked());
    return found;
  };
  const { keeper } = await bringUp(
    request,
    prepared(recheck),
    async (options) => {
      served = options;
      return {} as Server;
    },
    log,
  );
  t.equal(served?.chain, found);
  t.ok(isLocked());
  await keeper.release();
  t.notOk(isLocked());
});

t.test('one that has become another by then is let go, and nothing is served', async (t) => {
  const refused = new PbkfsError('chain_changed', 'it was changed while it was being locked');
  const recheck = () => {
    throw refused;
  };
  const serve = async (): Promise<Server> => t.fail('it is served') as never;
  await t.rejects(bringUp(request, prepared(recheck), serve, log), refused);
  t.notOk(isLocked());
});
