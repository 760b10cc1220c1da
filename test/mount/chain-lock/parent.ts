// A process that locks a chain and does nothing else, to be killed by a test. Arguments: catalog, wait in ms.

import { openCatalog, resolveChain } from '../../../src/backup/index.js';
import { lockChain } from '../../../src/mount/chain-lock/chain-lock.js';

const lock = await lockChain(resolveChain(openCatalog(process.argv[2]!), 'main', 'latest'));
process.stdout.write(`${lock.holder}\n`);
setInterval(() => undefined, 1000);
