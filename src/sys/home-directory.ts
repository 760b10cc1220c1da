// The home directory of whoever runs this process.

import { lstatSync } from 'node:fs';
import { userInfo } from 'node:os';

/** By the user database: HOME may be somebody else's under sudo. Undefined where it is not this user's own. */
export function homeDirectory(): string | undefined {
  try {
    const { homedir, uid } = userInfo();
    return lstatSync(homedir, { throwIfNoEntry: false })?.uid === uid ? homedir : undefined;
  } catch {
    return undefined;
  }
}
