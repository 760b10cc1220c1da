// The messages between `pbkfs mount` and the mount process in the background, over Node's IPC channel.
//
//     launcher                      mount process
//        |  <--------------------- hello  |     it has come up (child-process.ts)
//        |  request  ------------------>  |
//        |  <-------------- mounted | failed
//        |  acknowledged  ------------->  |     only now may the mount outlive its launcher
//        |  (channel closed)              |

import type { MountedInfo, MountRequest } from './request.js';
import type { WireError } from './wire-error.js';

export type ToMountProcess =
  | { readonly kind: 'request'; readonly request: MountRequest }
  | { readonly kind: 'acknowledged' };

export type ToLauncher =
  | { readonly kind: 'mounted'; readonly info: MountedInfo }
  | { readonly kind: 'failed'; readonly error: WireError };
