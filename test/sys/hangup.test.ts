// Programs whose terminal is closed: under nohup they go on, and none ends by an abort with a core file.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { runOk } from '../support/run.js';
import { until } from '../support/until.js';

const HANGUP = fileURLToPath(new URL('../../src/sys/hangup.js', import.meta.url));

/** A program that says whether it outlives its terminal. */
function asking(t: Test): string {
  const file = join(t.testdir(), 'ask.mjs');
  writeFileSync(
    file,
    `import { outlivesTerminal } from '${HANGUP}';\nprocess.stdout.write(String(outlivesTerminal()));\n`,
  );
  return `'${process.execPath}' '${file}'`;
}

t.test('what outlives its terminal', async (t) => {
  const ask = asking(t);
  const bash = (script: string): Promise<string> => runOk('bash', ['-c', script]);
  t.equal(await bash(`${ask}; true`), 'false');
  t.equal(await bash(`${ask} < /dev/null; true`), 'false');
  t.equal(await bash(`nohup ${ask} 2> /dev/null; true`), 'true');
  t.equal(await bash(`nohup sh -c "${ask}; true" 2> /dev/null; true`), 'true', 'a script under it');
  t.equal(await bash(`${ask} 0> /dev/null; true`), 'true', 'what nohup puts in the place of a terminal');
  t.equal(await runOk('sh', ['-c', `trap '' HUP; ${ask}; true`]), 'true');
  t.equal(await runOk('sh', ['-c', `trap '' INT; ${ask}; true`]), 'false');
});

t.test('what was found first stays when the shell that says so has ended', async (t) => {
  const directory = t.testdir();
  const [program, answers] = ['twice.mjs', 'answers'].map((name) => join(directory, name)) as [string, string];
  writeFileSync(
    program,
    `import { appendFileSync } from 'node:fs';
     import { outlivesTerminal } from '${HANGUP}';
     const parent = process.ppid;
     const tell = () => appendFileSync('${answers}', outlivesTerminal() + ' ');
     tell();
     const timer = setInterval(() => process.ppid !== parent && (tell(), clearInterval(timer)), 10);`,
  );
  const shell = spawn('sh', ['-c', `trap '' HUP; '${process.execPath}' '${program}' & read _`], {
    stdio: ['pipe', 'ignore', 'inherit'],
    // Not what a test run under nohup has.
    env: { PATH: process.env.PATH },
  });
  await until(() => existsSync(answers));
  shell.stdin.end();
  await until(() => readFileSync(answers, 'utf8').length > 'true '.length);
  t.equal(readFileSync(answers, 'utf8'), 'true true ');
});

t.test('only a program that outlives its terminal goes on after SIGHUP', async (t) => {
  const program = join(t.testdir(), 'program.mjs');
  writeFileSync(
    program,
    `import { heededSignals, surviveHangup } from '${HANGUP}';
     surviveHangup();
     console.log(heededSignals().join());
     setTimeout(() => console.log('alive'), 100);
     process.kill(process.pid, 'SIGHUP');`,
  );
  const end = (before: string): Promise<string> =>
    runOk('sh', ['-c', `${before}'${process.execPath}' '${program}'; echo $?`]);
  t.equal(await end(''), 'SIGINT,SIGTERM,SIGHUP,SIGQUIT\n129\n');
  t.equal(await end(`trap '' HUP; `), 'SIGINT,SIGTERM,SIGQUIT\nalive\n0\n');
});

t.test('what is no terminal can be written to until the end', async (t) => {
  const program = join(t.testdir(), 'last.mjs');
  writeFileSync(
    program,
    `import { writeSync } from 'node:fs';
     import { letGoOfLostTerminals } from '${HANGUP}';
     letGoOfLostTerminals();
     process.on('exit', () => writeSync(1, 'last words'));`,
  );
  t.equal(await runOk(process.execPath, [program]), 'last words');
});

t.test('a program that ends after its terminal ends with its own status', async (t) => {
  const directory = t.testdir();
  const [program, came, status] = ['end.mjs', 'came', 'status'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(
    program,
    `import { writeFileSync } from 'node:fs';
     import { isatty } from 'node:tty';
     import { letGoOfLostTerminals } from '${HANGUP}';
     letGoOfLostTerminals();
     if (isatty(1)) writeFileSync('${came}', '');
     setInterval(() => !isatty(1) && process.exit(7), 10);`,
  );
  // The shell, the leader of the session, is the one that is told of the end of its terminal.
  const inner = `trap : HUP; '${process.execPath}' '${program}'; echo $? > '${status}'`;
  const terminal = spawn('script', ['-qc', inner, '/dev/null'], { stdio: ['pipe', 'ignore', 'ignore'] });
  t.teardown(() => terminal.kill('SIGKILL'));
  await until(() => existsSync(came));
  terminal.kill('SIGKILL');
  await until(() => existsSync(status) && readFileSync(status, 'utf8') !== '');
  t.equal(readFileSync(status, 'utf8'), '7\n');
});
