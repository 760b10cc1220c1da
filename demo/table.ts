// Prints two columns of text, the second aligned to the right.

/** A row of text, or a line between groups. */
export type Row = readonly [label: string, value: string] | 'line';

export function formatTable(rows: readonly Row[]): string {
  const cells = rows.filter((row) => row !== 'line');
  const left = Math.max(...cells.map(([label]) => label.length));
  const right = Math.max(...cells.map(([, value]) => value.length));
  const line = `+-${'-'.repeat(left)}-+-${'-'.repeat(right)}-+`;
  const body = rows.map((row) => (row === 'line' ? line : `| ${row[0].padEnd(left)} | ${row[1].padStart(right)} |`));
  return [line, ...body, line].join('\n');
}

/** `1 234 567`. */
export function count(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** Milliseconds as `123 ms` or `1.23 s`. */
export function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}

/** Bytes as `1.2 MiB`. */
export function size(bytes: number): string {
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(0)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
