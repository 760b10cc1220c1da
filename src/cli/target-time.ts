// Times of recovery targets as people type them, and as PostgreSQL reads them.

import { InvalidArgumentError } from 'commander';
import { localZone, momentsIn, offsetText } from './time-zone.js';

/** Day, time, fraction, then UTC, a distance from it, or the name of a zone. */
const TIME =
  /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,6}))?\s*(?:(Z|UTC|GMT)|([+-]\d{1,2})(?::?(\d\d))?|([a-z_]+(?:\/[\w+-]+)+))?$/i;

/**
 * @returns µs since 1970
 * @throws InvalidArgumentError also where clocks in the zone show that time twice, or never: PostgreSQL would take one of two
 */
export function targetTime(value: string): number {
  const [, date, clock, fraction = '', utc, hours, minutes = '00', name] = TIME.exec(value.trim()) ?? [];
  const shown = Date.parse(`${date}T${clock}Z`);
  // To PostgreSQL 04:28.5 is 4 minutes and 28.5 seconds after midnight.
  const fractionOfMinute = fraction !== '' && clock?.length === 5;
  if (Number.isNaN(shown) || !isDay(date!) || fractionOfMinute) throw notATime();
  let moment = shown;
  if (hours !== undefined)
    moment = Date.parse(`${date}T${clock}${hours[0]}${hours.slice(1).padStart(2, '0')}:${minutes}`);
  else if (utc === undefined) moment = momentIn(name, shown, `${date} ${clock}`);
  if (Number.isNaN(moment)) throw notATime();
  return moment * 1000 + Number(fraction.padEnd(6, '0'));
}

/** @param name of a zone; that of this process where it is missing @param shown of {@link momentsIn} */
function momentIn(name: string | undefined, shown: number, text: string): number {
  const zone = name ?? localZone();
  const moments = momentsIn(zone, shown);
  if (moments === undefined) {
    const unknown = name === undefined ? `The local zone (TZ=${process.env.TZ ?? ''}) is` : `${name} is`;
    throw new InvalidArgumentError(`${unknown} not a known zone: give the distance from UTC, as in "${text}+00".`);
  }
  const [moment, second] = moments;
  if (moment === undefined) {
    throw new InvalidArgumentError(`Clocks of ${zone} were put forward over that time: give the distance from UTC.`);
  }
  if (second === undefined) return moment;
  const choice = moments.map((one) => `"${text}${offsetText(shown - one)}"`).join(' or ');
  throw new InvalidArgumentError(`Clocks of ${zone} were put back, and showed that time twice: say ${choice}.`);
}

function notATime(): InvalidArgumentError {
  return new InvalidArgumentError(
    'It must be a time like "2026-11-21 04:28:33.087+00" or "2026-11-21 04:28:33 Europe/Berlin", but no abbreviation of a zone; without one it is local.',
  );
}

/** To JavaScript the 30th of February is the 2nd of March, which nobody has asked for. @param date YYYY-MM-DD */
function isDay(date: string): boolean {
  return new Date(`${date}T00:00:00Z`).toISOString().startsWith(date);
}
