// Verification of a whole stored page stream against its listed CRC.

import fs from 'node:fs';
import { crcOfFd } from './crc.js';
import { damagedFile, openStored } from './damage.js';
import type { StreamPart } from './types.js';

/**
 * Compares a stream's bytes with the CRC in the content list (format page 8).
 * @throws PbkfsError page_damaged when the file is missing, too short or differs
 */
export function verifyStream(part: StreamPart): void {
  const fd = openStored(part.backupId, part.file, part.storedSize);
  try {
    const crc = crcOfFd(fd, part.storedSize, part.crcKind);
    if (crc !== part.crc) throw damagedFile(part.backupId, part.file, `it has CRC ${crc}, ${part.crc} is listed`);
  } finally {
    fs.closeSync(fd);
  }
}
