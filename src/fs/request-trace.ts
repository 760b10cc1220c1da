// One debug line for every request of the kernel: its id, what it asked for, what it got, how long that took.

import type { Logger } from '../log.js';
import { opcode, opcodeName } from './protocol/constants.js';
import type { Request } from './protocol/request.js';

/**
 * @param begun when the request arrived, by performance.now()
 * @param result length of the reply's body in bytes, or minus the errno
 */
export type RequestTrace = (request: Request, begun: number, result: number) => void;

/** null unless the log wants debug lines: then a request costs one comparison. @param thread 0: the namespace thread */
export function requestTrace(log: Logger, thread: number): RequestTrace | null {
  if (!log.debugs) return null;
  return (request, begun, result) => {
    const code = request.opcode;
    const hasRange = code === opcode.READ || code === opcode.WRITE || code === opcode.FALLOCATE;
    const length = code === opcode.FALLOCATE ? request.u64(16) : request.u32(16);
    log.debug('request', {
      id: request.uniqueHigh * 2 ** 32 + request.uniqueLow,
      op: opcodeName(code),
      node: (request.generation >>> 0) * 2 ** 32 + request.row,
      offset: hasRange ? request.u64(8) : undefined,
      length: hasRange ? length : undefined,
      result,
      us: Math.round((performance.now() - begun) * 1000),
      thread,
      pid: request.pid,
    });
  };
}
