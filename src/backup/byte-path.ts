// Byte strings: file names of a backup are bytes, held as latin1 strings; here they meet the fs module and people.

/** The bytes of a latin1 byte string, as the fs module wants them. */
export function pathBytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** An ordinary string (command line, configuration) as byte string. */
export function byteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** A byte string as text for a message: UTF-8 where it is valid, else with replacement characters. */
export function displayPath(path: string): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}
