import { execFileSync } from 'node:child_process';
import t from 'tap';
import { shellWord } from '../../src/sys/shell-word.js';

t.test('what a shell makes of it is the text again', async (t) => {
  for (const text of ['/mnt/pg', '/mnt/дир', '/a b', "/it's", '/n\nl', '/$HOME `x` \\', "/\t'\\\u0085", '']) {
    const script = `printf %s ${shellWord(text)}`;
    t.equal(execFileSync('bash', ['-c', script], { encoding: 'utf8' }), text, script);
  }
  t.equal(shellWord('/mnt/pg-15.x'), '/mnt/pg-15.x', 'quotes only where they are needed');
  t.notMatch(shellWord('/n\nl\u001b[2J'), /\p{Cc}/u);
});
