// The line of a session's steps: as long as the terminal is wide.

import t from 'tap';
import { sessionProgress } from '../../src/cli/session-progress.js';

t.test('nothing is drawn on a terminal that cannot clear a line', async (t) => {
  const term = process.env.TERM;
  t.teardown(() => {
    if (term === undefined) delete process.env.TERM;
    else process.env.TERM = term;
  });
  const drawn = (name: string): string => {
    process.env.TERM = name;
    let text = '';
    const write = (piece: string): boolean => {
      text += piece;
      return true;
    };
    const progress = sessionProgress({ isTTY: true, columns: 80, write } as NodeJS.WriteStream);
    progress.step('mounting');
    progress.warn('look');
    progress.clear();
    return text;
  };
  t.equal(drawn('dumb'), 'pbkfs: warning: look\n');
  t.match(drawn('xterm'), /mounting/);
});

t.test('fits the terminal, also one that does not know its width', async (t) => {
  const drawn = (columns: number): string => {
    let text = '';
    const write = (piece: string): boolean => {
      text += piece;
      return true;
    };
    sessionProgress({ isTTY: true, columns, write } as NodeJS.WriteStream).step('a step '.repeat(20));
    return text;
  };
  // Between the return and what clears the rest of the line.
  const width = (text: string): number => text.length - '\r\u001b[K'.length;
  t.equal(width(drawn(40)), 39);
  t.equal(width(drawn(0)), 79);
});
