// Another boot id for every process that has loaded this (NODE_OPTIONS=--require=…/boot-id.cjs), as after a restart of the
// host: PBKFS_TEST_BOOT_ID names a file that is read in place of the kernel's. A bind mount over the kernel's file would
// need a mount namespace, and one that is alive for seconds keeps the mounts of all other tests alive with it.

import fs = require('node:fs');
import nodeModule = require('node:module');

const replacement = process.env.PBKFS_TEST_BOOT_ID;

if (replacement !== undefined) {
  const { readFileSync } = fs;
  fs.readFileSync = ((file: fs.PathOrFileDescriptor, ...rest: unknown[]) => {
    const path = file === '/proc/sys/kernel/random/boot_id' ? replacement : file;
    return (readFileSync as (...args: unknown[]) => unknown)(path, ...rest);
  }) as typeof fs.readFileSync;
  nodeModule.syncBuiltinESMExports();
}
