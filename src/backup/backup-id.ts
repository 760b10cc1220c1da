// Backup ids: base36 of the start time, compared without case.

/** The id of a backup that started at the given second (format page 1: digits, then A-Z, no padding). */
export function backupIdOf(startTime: number): string {
  return startTime.toString(36).toUpperCase();
}

/** When a backup of this id started, in seconds since 1970; -1 for a name that is no id. */
export function startTimeOf(id: string): number {
  return /^[0-9a-z]{1,8}$/i.test(id) ? Number.parseInt(id, 36) : -1;
}

/** A form of an id in which two spellings of the same backup are equal: upper case, no leading zeros. */
export function canonicalId(id: string): string {
  return id
    .trim()
    .toUpperCase()
    .replace(/^0+(?=.)/, '');
}
