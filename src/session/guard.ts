// A process that cleans up after a session whose own process ended before it said that all is well: by Ctrl-C, kill -9,
// a closed terminal. It reads what exists from its argument, then from its standard input, a JSON line each time that
// changes; the end of the input without `{"leave": true}` before it means: take all of it away.

import { createInterface } from 'node:readline';
import { sayHello } from '../mount/child-process.js';
import { ENDING_SIGNALS } from '../sys/ending-signals.js';
import { letGoOfLostTerminals } from '../sys/hangup.js';
import { type Belongings, cleanUp, GAVE_UP } from './clean-up.js';

for (const signal of ENDING_SIGNALS) process.on(signal, () => undefined);
letGoOfLostTerminals();
sayHello();

async function guard(): Promise<void> {
  let belongings: Belongings | undefined = JSON.parse(process.argv[2]!) as Belongings;
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line) as Belongings | { readonly leave: true };
    belongings = 'leave' in message ? undefined : message;
  }
  if (belongings !== undefined) await cleanUp(belongings);
}

guard().catch((error: Error) => {
  process.stderr.write(`pbkfs: cannot clean up: ${error.message}\n`);
  process.exitCode = GAVE_UP;
});
