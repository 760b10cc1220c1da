// What a session does, step by step, on one line of a terminal; in a pipe only warnings.

import type { SessionProgress } from '../session/session-request.js';
import { isDrawable, lineWidth } from './progress-line.js';

export function sessionProgress(stream: NodeJS.WriteStream = process.stderr): SessionProgress & { clear(): void } {
  let step = '';
  let shown = '';
  const draw = (text: string): void => {
    if (!isDrawable(stream) || text === shown) return;
    shown = text;
    stream.write(text === '' ? '\r\u001b[K' : `\r${text.slice(0, lineWidth(stream))}\u001b[K`);
  };
  return {
    step: (text) => {
      step = text;
      draw(`${text} …`);
    },
    detail: (text) => draw(text === '' ? `${step} …` : `${step}: ${text}`),
    warn: (text) => {
      draw('');
      stream.write(`pbkfs: warning: ${text}\n`);
    },
    clear: () => draw(''),
  };
}
