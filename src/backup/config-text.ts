// The "key = value" text of backup.control and pg_probackup.conf.

/**
 * Reads every `key = value` line (format page 2.1). Keys come back in lower case with `-` for `_` and blanks, because
 * pg_probackup's writer and reader disagree about them. The last of equal keys wins. pg_probackup never escapes: where
 * a quoted value is not well formed, everything between the line's first and last quote counts.
 * @param bytes the file's content; notes and paths in it are text, in UTF-8 as a rule
 * @returns values by key, and the lines that are neither blank, comment nor pair
 */
export function parseConfigText(bytes: Buffer): { values: Map<string, string>; badLines: string[] } {
  const values = new Map<string, string>();
  const badLines: string[] = [];
  for (const rawLine of bytes.toString('utf8').split('\n')) {
    const line = rawLine.replace(/\r$/, '').trim();
    if (line === '' || line.startsWith('#')) continue;
    const equals = line.indexOf('=');
    const key = equals < 0 ? '' : normalKey(line.slice(0, equals));
    if (!/^[a-z0-9-]+$/.test(key)) {
      badLines.push(line);
      continue;
    }
    values.set(key, parseValue(line.slice(equals + 1).trim()));
  }
  return { values, badLines };
}

function normalKey(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[_ \t]/g, '-');
}

function parseValue(text: string): string {
  if (!text.startsWith("'")) return text.split(/[#\t]/, 1)[0]!.trimEnd();
  const wellFormed = /^'((?:[^']|'')*)'\s*(?:#.*)?$/.exec(text);
  if (wellFormed !== null) return wellFormed[1]!.replaceAll("''", "'");
  const last = text.lastIndexOf("'");
  return last === 0 ? text.slice(1) : text.slice(1, last);
}

/** Booleans as pg_probackup reads them: prefixes of true/false/yes/no, on, off, 1, 0. */
export function parseBool(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (word === '') return undefined;
  if ('true'.startsWith(word) || 'yes'.startsWith(word) || word === 'on' || word === '1') return true;
  if ('false'.startsWith(word) || 'no'.startsWith(word) || word === 'off' || word === 'of' || word === '0')
    return false;
  return undefined;
}

/** "YYYY-MM-DD HH:MM:SS" with an optional offset (+00, -03, +05:30, Z); without one it is UTC. @returns seconds since 1970 */
export function parseTime(text: string): number | undefined {
  const match =
    /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.\d+)?\s*(?:Z|([+-])(\d\d):?(\d\d)?(?::?\d\d)?)?$/i.exec(
      text.trim(),
    );
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, sign, offsetHours, offsetMinutes] = match;
  const utc =
    Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)) / 1000;
  const offset = Number(offsetHours ?? 0) * 3600 + Number(offsetMinutes ?? 0) * 60;
  return sign === '-' ? utc + offset : utc - offset;
}
