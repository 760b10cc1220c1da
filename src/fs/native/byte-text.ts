// Names cross fuse-native as UTF-8 text; the overlay knows them as bytes (latin1 strings).

import { SystemError } from '../../errors.js';

const ASCII = /^[\0-\x7f]*$/;
/** What a byte that is not UTF-8 has become. */
const REPLACEMENT = '\ufffd';

/** The bytes of a path that libfuse sent. Throws EILSEQ where some were lost on the way. */
export function bytesOf(text: string): string {
  if (ASCII.test(text)) return text;
  if (text.includes(REPLACEMENT)) throw new SystemError('EILSEQ');
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The text of a name. Throws EILSEQ where it cannot be told as text. */
export function textOf(bytes: string): string {
  if (ASCII.test(bytes)) return bytes;
  const text = Buffer.from(bytes, 'latin1').toString('utf8');
  if (text.includes(REPLACEMENT)) throw new SystemError('EILSEQ');
  return text;
}
