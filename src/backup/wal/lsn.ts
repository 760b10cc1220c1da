// WAL positions (LSN) as numbers of bytes, and the names of segment files.

/** A WAL position in bytes; exact up to 8 PiB. */
export type Lsn = number;

/** PostgreSQL's default; every real catalog says its own in pg_probackup.conf and in each segment's header. */
export const DEFAULT_SEGMENT_SIZE = 16 << 20;

/** @returns undefined for what is not `%X/%X` */
export function parseLsnNumber(text: string): Lsn | undefined {
  const match = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(text.trim());
  return match === null ? undefined : Number.parseInt(match[1]!, 16) * 2 ** 32 + Number.parseInt(match[2]!, 16);
}

/** `%X/%X`, as PostgreSQL prints it. */
export function formatLsn(lsn: Lsn): string {
  const high = Math.floor(lsn / 2 ** 32);
  return formatLsnHalves(high, lsn - high * 2 ** 32);
}

/** For those that no number holds exactly, as in a damaged page. */
export function formatLsnHalves(high: number, low: number): string {
  return `${high.toString(16)}/${low.toString(16)}`.toUpperCase();
}

/** Whether it is a segment file's name: 24 hexadecimal digits. */
export function isSegmentName(name: string): boolean {
  return /^[0-9A-F]{24}$/.test(name);
}

/** TTTTTTTTXXXXXXXXYYYYYYYY, as PostgreSQL's XLogFileName. @param number counts segments from the start of the WAL */
export function segmentName(timeline: number, number: number, segmentSize: number): string {
  const per = 2 ** 32 / segmentSize;
  return [timeline, Math.floor(number / per), number % per]
    .map((part) => part.toString(16).toUpperCase().padStart(8, '0'))
    .join('');
}

/** Timeline and number of a segment; `name` is one ({@link isSegmentName}). */
export function parseSegmentName(name: string, segmentSize: number): { timeline: number; number: number } {
  const per = 2 ** 32 / segmentSize;
  const part = (at: number) => Number.parseInt(name.slice(at, at + 8), 16);
  return { timeline: part(0), number: part(8) * per + part(16) };
}

/** `TTTTTTTT.history` */
export function historyName(timeline: number): string {
  return `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`;
}
