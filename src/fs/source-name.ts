// What the kernel calls a mount: its source in mountinfo(5), the first column of df.

import type { ServeOptions } from './serve-types.js';

export function sourceName({ fsname, instance, chain }: Pick<ServeOptions, 'fsname' | 'instance' | 'chain'>): string {
  return fsname ?? `pbkfs:${instance}/${chain.target.id}`;
}
