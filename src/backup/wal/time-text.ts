// Times of transactions as text. They are in µs since 1970.

/** `2026-11-21T04:28:33.087043Z`, for JSON. @param time µs since 1970 */
export function isoTime(time: number): string {
  return formatTime(time).replace(' ', 'T').replace('+00', 'Z');
}

/** `2026-11-21 04:28:33.087043+00`, as PostgreSQL reads and prints it. @param time µs since 1970 */
export function formatTime(time: number): string {
  const seconds = Math.floor(time / 1e6);
  const micros = time - seconds * 1e6;
  const fraction = micros === 0 ? '' : `.${String(micros).padStart(6, '0')}`;
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}${fraction}+00`;
}
