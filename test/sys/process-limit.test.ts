import { execFileSync } from 'node:child_process';
import t from 'tap';
import { processLimit } from '../../src/sys/process-limit.js';

const MODULE = new URL('../../src/sys/process-limit.js', import.meta.url).href;

t.test('soft limits as the shell has set them, and none', async (t) => {
  const limits = (command: string): string => {
    const script = `import { processLimit } from '${MODULE}'; console.log(processLimit('Max open files'), processLimit('Max data size'))`;
    const args = ['-c', `${command}; exec "$0" --input-type=module -e "$1"`, process.execPath, script];
    return execFileSync('sh', args, { encoding: 'utf8', env: { PATH: process.env.PATH } }).trim();
  };
  // Node raises the soft limit of open files to the hard one.
  t.equal(limits('ulimit -n 300; ulimit -d 4000000'), `300 ${4_000_000 * 1024}`);
  t.equal(limits('ulimit -n 300; ulimit -d unlimited'), '300 Infinity');
  t.ok(processLimit('Max open files') > 0);
});
