// All cases, in the order of the page.

import type { BenchCase } from '../run/context.js';
import { bulk } from './bulk.js';
import { checkpoint } from './checkpoint.js';
import { coldRead } from './cold-read.js';
import { datafileWrite } from './datafile-write.js';
import { firstQuery } from './first-query.js';
import { growth } from './growth.js';
import { hotRead } from './hot-read.js';
import { memory } from './memory.js';
import { mount } from './mount.js';
import { names } from './names.js';
import { overhead } from './overhead.js';
import { pgbench } from './pgbench.js';
import { scan } from './scan.js';
import { serverRead } from './server-read.js';
import { validate } from './validate.js';
import { wal } from './wal.js';

export const cases: readonly BenchCase[] = [
  hotRead,
  serverRead,
  coldRead,
  scan,
  validate,
  wal,
  datafileWrite,
  pgbench,
  bulk,
  names,
  mount,
  firstQuery,
  memory,
  overhead,
  checkpoint,
  growth,
];
