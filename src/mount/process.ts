// The program of the mount process in the background; started by daemon.ts, never by hand.

import { startSpareHolder } from './chain-lock/holder.js';

// It comes up while this process loads the rest and looks at the chain.
startSpareHolder();

void import('./background-mount.js').then(({ runBackgroundMount, serve }) => runBackgroundMount(serve));
