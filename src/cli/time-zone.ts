// Times of day in a time zone, as moments. A zone is known by its IANA name, as in PostgreSQL.

import { realpathSync } from 'node:fs';

/** Milliseconds east of UTC; undefined where the zone is not known. */
type OffsetAt = (moment: number) => number;

const DAY = 86_400_000;
/** `MSK-3`, `<+0530>-5:30` (POSIX, tzset(3)): hours west of UTC, and no summer time. */
const FIXED = /^(?:[A-Za-z]{3,}|<[+\-\w]+>)([+-]?)(\d{1,2})(?::(\d\d))?$/;

/**
 * The moments at which clocks in the zone show a time: none where they are put forward over it, two where they are put back.
 * @param shown milliseconds from 1970 to that time if it was UTC
 * @param zone as {@link localZone} names it
 * @returns milliseconds since 1970, in order; undefined where the zone is not known
 */
export function momentsIn(zone: string, shown: number): number[] | undefined {
  const offsetAt = offsetsOf(zone);
  if (offsetAt === undefined) return undefined;
  // A change of clocks near that time lies between these two.
  const offsets = new Set([offsetAt(shown - DAY), offsetAt(shown + DAY)]);
  const moments = [...offsets].map((offset) => shown - offset).filter((moment) => moment + offsetAt(moment) === shown);
  return moments.sort((a, b) => a - b);
}

/** `+05:30` @param milliseconds east of UTC */
export function offsetText(milliseconds: number): string {
  const minutes = Math.round(Math.abs(milliseconds) / 60_000);
  const digits = (number: number): string => String(number).padStart(2, '0');
  return `${milliseconds < 0 ? '-' : '+'}${digits(Math.floor(minutes / 60))}:${digits(minutes % 60)}`;
}

/**
 * The zone of this process, as the C library takes it. Node itself takes UTC for every rule of POSIX that has a summer time,
 * and the winter time of a zone that is given as a file.
 */
export function localZone(tz = process.env.TZ): string {
  if (tz === undefined) return Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zone = tz.replace(/^:/, '');
  return zoneOfFile(zone) ?? zoneOfFile(linked(zone)) ?? (zone || 'UTC');
}

function zoneOfFile(path: string): string | undefined {
  return /^\/.*\/zoneinfo\/(?:posix\/)?(.+)/.exec(path)?.[1];
}

/** `/etc/localtime` is a link to the file of a zone. */
function linked(path: string): string {
  try {
    return path.startsWith('/') ? realpathSync(path) : path;
  } catch {
    return path;
  }
}

function offsetsOf(zone: string): OffsetAt | undefined {
  const fixed = FIXED.exec(zone);
  if (fixed !== null) {
    const [, sign, hours, minutes = '0'] = fixed;
    const west = (Number(hours) * 60 + Number(minutes)) * 60_000;
    return () => (sign === '-' ? west : -west);
  }
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
      ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
    });
    return (moment) => shownBy(format, moment) - moment;
  } catch {
    return undefined;
  }
}

/** What clocks show, as milliseconds from 1970 if that was UTC. @param moment whole seconds, in milliseconds */
function shownBy(format: Intl.DateTimeFormat, moment: number): number {
  const parts = new Map(format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]));
  const part = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name)!;
  return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
}
