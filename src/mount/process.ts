// The program of the mount process in the background; started by daemon.ts, never by hand.

import { runBackgroundMount } from './background.js';
import { serve } from './serve.js';

void runBackgroundMount(serve);
