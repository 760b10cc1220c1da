// The line in the log for a request that failed in a way which whoever asked cannot be told.

import { hintOf } from '../errors.js';
import { LineLimit, type Logger } from '../log.js';
import { opcodeName } from './protocol/constants.js';
import type { Request } from './protocol/request.js';

/** Logs such requests of one thread; of a flood not each of them. */
export function failureLog(log: Logger): (request: Request, error: unknown) => void {
  const failures = new LineLimit();
  return (request, error) => {
    const message = `${opcodeName(request.opcode)} of inode row ${request.row}: ${(error as Error).message}`;
    failures.pass((fields) => log.error(message, { ...fields, hint: hintOf(error) }));
  };
}
