// A progress bar on one line of a terminal: share, rate, time left. Silent where nobody watches.

import { formatBytes } from './text-table.js';

const WIDTH = 24;

/** Draws on a terminal; into a pipe or file it writes nothing. */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  readonly #began = performance.now();
  #drawn = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** @param done of total, in bytes */
  draw(done: number, total: number): void {
    if (!isDrawable(this.#stream)) return;
    const line = describeProgress(done, total, (performance.now() - this.#began) / 1000);
    this.#stream.write(`\r${line.slice(0, lineWidth(this.#stream))}\u001b[K`);
    this.#drawn = true;
  }

  /** Makes room for an ordinary line; the next draw comes below it. */
  clear(): void {
    if (this.#drawn) this.#stream.write('\r\u001b[K');
    this.#drawn = false;
  }
}

/** A terminal of which lines can be cleared; in that of an editor (TERM=dumb) every step would be a line of its own. */
export function isDrawable(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && process.env.TERM !== 'dumb';
}

/** Characters that may be drawn on one line of a terminal, so that it does not wrap. One that does not know its width says 0. */
export function lineWidth(stream: NodeJS.WriteStream): number {
  return (stream.columns || 80) - 1;
}

/** `[######------]  50%  1.2 GiB of 2.4 GiB  310 MiB/s  4 s left` */
export function describeProgress(done: number, total: number, seconds: number): string {
  const share = total === 0 ? 1 : done / total;
  const filled = Math.round(share * WIDTH);
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(WIDTH - filled)}]`;
  const rate = seconds > 0 ? done / seconds : 0;
  const left = rate > 0 ? `  ${duration((total - done) / rate)} left` : '';
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `${bar} ${percent}  ${formatBytes(done)} of ${formatBytes(total)}  ${formatBytes(Math.round(rate))}/s${left}`;
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
