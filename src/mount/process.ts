// The program of the mount process in the background; started by daemon.ts, never by hand.

import { startNamespaceThread } from '../fs/namespace-worker.js';
import { letGoOfLostTerminals } from '../sys/hangup.js';
import { startHolder } from './chain-lock/holder.js';

letGoOfLostTerminals();

// Both come up while this process loads the rest and looks at the chain.
const early = { holder: startHolder('starting'), names: startNamespaceThread() };

void import('./background-mount.js').then(({ mountInBackground }) => mountInBackground(early));
