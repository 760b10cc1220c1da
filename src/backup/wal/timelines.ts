// Which timeline's segments recovery reads: the history of a target timeline, as PostgreSQL follows it.

import { PbkfsError } from '../../errors.js';
import { formatLsn, historyName, type Lsn, parseLsnNumber } from './lsn.js';

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

/**
 * @param text of TTTTTTTT.history: `parent TAB switchpoint TAB reason`, oldest first, `#` begins a comment
 * @throws PbkfsError wal_damaged for what PostgreSQL would stop at
 */
function parseHistory(timeline: number, text: string): TimelineSpan[] {
  const spans: TimelineSpan[] = [];
  let begin = 0;
  for (const line of text.split('\n')) {
    if (/^\s*(#|$)/.test(line)) continue;
    const fields = /^\s*(\d+)\s+([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})/.exec(line);
    const parent = Number(fields?.[1]);
    const end = parseLsnNumber(fields?.[2] ?? '');
    if (end === undefined || end < begin || parent <= (spans.at(-1)?.timeline ?? 0) || parent >= timeline) {
      throw new PbkfsError('wal_damaged', `${historyName(timeline)}: this line says nothing of a timeline: "${line}"`, {
        hint: 'recovery would stop at it: restore the file from a copy, or choose another --recovery-target-timeline',
      });
    }
    spans.push({ timeline: parent, begin, end });
    begin = end;
  }
  return [...spans, { timeline, begin, end: Number.POSITIVE_INFINITY }];
}

/** The one that `at` lies on. @param spans oldest first, at least one */
export function spanAt(spans: readonly TimelineSpan[], at: Lsn): TimelineSpan {
  let found = spans.length - 1;
  while (found > 0 && spans[found]!.begin > at) found--;
  return spans[found]!;
}

/** Where the timelines' history files are. */
export interface Histories {
  /** The text of a timeline's history file, undefined where there is none. */
  read(timeline: number): string | undefined;
  /** The timelines that have one. */
  list(): readonly number[];
}

/**
 * The timelines that recovery of a backup follows to a target, oldest first.
 * @param own the backup's timeline
 * @param consistent the backup's stop-lsn: a timeline that branches off before it cannot be reached
 * @throws PbkfsError target_unreachable naming those that can be reached, when the target does not descend from the
 * backup; wal_damaged
 */
export function followTimelines(
  own: number,
  consistent: Lsn,
  target: TimelineTarget,
  histories: Histories,
): TimelineSpan[] {
  const wanted = target === 'current' ? own : target === 'latest' ? newest(own, histories) : target;
  const text = histories.read(wanted);
  if (text === undefined && wanted === own) return parseHistory(own, '');
  const spans = text === undefined ? undefined : parseHistory(wanted, text);
  const why =
    spans === undefined ? `there is no history file of timeline ${wanted}` : reasonAgainst(spans, own, consistent);
  if (why === undefined) return spans!;
  const others = branchesOf(own, consistent, histories).filter((timeline) => timeline !== wanted);
  throw new PbkfsError('target_unreachable', why, {
    hint: `from this backup recovery can follow timeline ${[own, ...others].join(', ')}; choose one with --recovery-target-timeline, or another backup`,
  });
}

/** The other timelines that recovery of a backup can follow. */
export function branchesOf(own: number, consistent: Lsn, histories: Histories): number[] {
  return histories.list().filter((timeline) => {
    const history = timeline === own ? undefined : histories.read(timeline);
    if (history === undefined) return false;
    try {
      return reasonAgainst(parseHistory(timeline, history), own, consistent) === undefined;
    } catch {
      return false;
    }
  });
}

function reasonAgainst(spans: readonly TimelineSpan[], own: number, consistent: Lsn): string | undefined {
  const { timeline } = spans.at(-1)!;
  const ownSpan = spans.find((span) => span.timeline === own);
  if (ownSpan === undefined) return `timeline ${timeline} does not descend from timeline ${own} of the backup`;
  if (ownSpan.end >= consistent) return undefined;
  return `timeline ${timeline} left timeline ${own} at ${formatLsn(ownSpan.end)}, before the backup ends at ${formatLsn(consistent)}`;
}

/** As PostgreSQL: timelines are tried one by one until one has no history file. */
function newest(own: number, histories: Histories): number {
  let timeline = own;
  while (histories.read(timeline + 1) !== undefined) timeline++;
  return timeline;
}
