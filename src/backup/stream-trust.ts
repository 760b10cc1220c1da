// Which streams are byte for byte what pg_probackup stored: asked only when a page alone cannot tell.

import { crcOfFd } from './crc.js';
import type { StreamPart } from './types.js';

/**
 * Remembers the verdict of one CRC pass over each stream asked about. Needed for pages whose pd_checksum is wrong though
 * the header map's checksum fits: that checksum leaves pd_checksum itself out, so either the page was bad in the source,
 * or just these two bytes were damaged in the backup.
 */
export class StreamTrust {
  readonly #verdicts = new Map<string, boolean>();

  /** Whether the stream has its listed CRC; reads the whole file the first time. */
  isIntact(part: StreamPart, fd: number): boolean {
    const known = this.#verdicts.get(part.file);
    if (known !== undefined) return known;
    const intact = part.crc === 0 || crcOfFd(fd, part.storedSize, part.crcKind) === part.crc;
    this.#verdicts.set(part.file, intact);
    return intact;
  }
}
