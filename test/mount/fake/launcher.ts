// `pbkfs mount` with the fake server: the request as JSON in the first argument.

import { launchMount, type MountRequest, runForegroundMount } from '../../../src/mount/index.js';
import { startMountProcess } from '../../../src/mount/start-process.js';
import { serveFake } from './server.js';

const { foreground, request } = JSON.parse(process.argv[2]) as { foreground: boolean; request: MountRequest };
try {
  if (foreground) {
    process.exitCode = await runForegroundMount(request, serveFake, () => process.stdout.write('mounted\n'));
  } else {
    await launchMount(request, startMountProcess(request.mountpoint, new URL('./background.js', import.meta.url)));
    process.stdout.write('mounted\n');
  }
} catch (error) {
  process.stderr.write(`pbkfs: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
