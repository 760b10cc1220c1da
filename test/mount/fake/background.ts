// process.ts with the fake server.

import { runBackgroundMount } from '../../../src/mount/serving/background.js';
import { serveFake } from './server.js';

await runBackgroundMount(serveFake);
