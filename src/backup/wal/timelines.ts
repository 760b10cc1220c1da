// Which timeline's segments recovery reads: the history of a target timeline, as PostgreSQL follows it.

import { PbkfsError } from '../../errors.js';
import { formatLsn, type Lsn, parseLsnNumber } from './lsn.js';

/** A stretch of WAL on one timeline. */
export interface TimelineSpan {
  readonly timeline: number;
  /** First position on it. */
  readonly begin: Lsn;
  /** Where its child branches off; infinite for the last. */
  readonly end: Lsn;
}

/** What recovery is asked to follow: the backup's own timeline, the newest that branches off it, or one by number. */
export type TimelineTarget = 'current' | 'latest' | number;

/** @param text of TTTTTTTT.history: `parent TAB switchpoint TAB reason`, oldest first, `#` begins a comment */
export function parseHistory(timeline: number, text: string): TimelineSpan[] {
  const spans: TimelineSpan[] = [];
  let begin = 0;
  for (const line of text.split('\n')) {
    const fields = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line);
    if (fields === null) continue;
    const end = parseLsnNumber(fields[2]!)!;
    spans.push({ timeline: Number(fields[1]), begin, end });
    begin = end;
  }
  return [...spans, { timeline, begin, end: Number.POSITIVE_INFINITY }];
}

/**
 * The timelines that recovery of a backup follows to a target, oldest first.
 * @param own the backup's timeline
 * @param consistent the backup's stop-lsn: a timeline that branches off before it cannot be reached
 * @param history the text of a timeline's history file, undefined where there is none
 * @throws PbkfsError target_unreachable when the target does not descend from the backup
 */
export function followTimelines(
  own: number,
  consistent: Lsn,
  target: TimelineTarget,
  history: (timeline: number) => string | undefined,
): TimelineSpan[] {
  const wanted = target === 'current' ? own : target === 'latest' ? newest(own, history) : target;
  const text = history(wanted);
  if (text === undefined) {
    if (wanted === own) return parseHistory(own, '');
    throw unreachable(`there is no history file of timeline ${wanted}`);
  }
  const spans = parseHistory(wanted, text);
  const ownSpan = spans.find(({ timeline }) => timeline === own);
  if (ownSpan === undefined)
    throw unreachable(`timeline ${wanted} does not descend from timeline ${own} of the backup`);
  if (ownSpan.end >= consistent) return spans;
  throw unreachable(
    `timeline ${wanted} left timeline ${own} at ${formatLsn(ownSpan.end)}, before the backup ends at ${formatLsn(consistent)}`,
  );
}

/** As PostgreSQL: timelines are tried one by one until one has no history file. */
function newest(own: number, history: (timeline: number) => string | undefined): number {
  let timeline = own;
  while (history(timeline + 1) !== undefined) timeline++;
  return timeline;
}

function unreachable(message: string): PbkfsError {
  return new PbkfsError('target_unreachable', message, {
    hint: 'choose another backup, or another --recovery-target-timeline',
  });
}
