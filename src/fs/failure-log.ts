// The line in the log for a request that failed in a way which whoever asked cannot be told.

import { hintOf } from '../errors.js';
import { LineLimit, type Logger } from '../log.js';
import { opcodeName } from './protocol/constants.js';
import type { Request } from './protocol/request.js';

/** Logs failures of one thread, with what can be done about them; of a flood not each of them. @param what was tried */
export function failureLog(log: Logger): (what: string, error: unknown) => void {
  const failures = new LineLimit();
  return (what, error) => {
    const message = `${what}: ${(error as Error).message}`;
    failures.pass((fields) => log.error(message, { ...fields, hint: hintOf(error) }));
  };
}

/** What is said of a request. */
export type FailedRequest = Pick<Request, 'opcode' | 'row'>;

/** The same for requests of the kernel. */
export function requestFailureLog(log: Logger): (request: FailedRequest, error: unknown) => void {
  const failed = failureLog(log);
  return ({ opcode, row }, error) => failed(`${opcodeName(opcode)} of inode row ${row}`, error);
}
