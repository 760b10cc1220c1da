// Regenerates the terminal sessions in the README: runs their commands on the bundled catalog and puts their real output
// between the markers. As root, after a build: node scripts/record-session.mjs [NAME…]

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const home = mkdtempSync('/tmp/pbkfs-session-');
/** By the name of their markers. */
const sessions = {
  rescue: [
    "pbkfs rescue -B backups -I a --time '2026-11-21 04:56:05+00' --table app.public.t_shrink -o shrink.dump",
    'pg_restore -l shrink.dump | grep TABLE',
    "pbkfs rescue -B backups -I a -i latest --database app --query 'select count(*), max(id) from t_shrink' -o rows.csv; cat rows.csv",
  ],
  drill: ['pbkfs drill -B backups -I a --amcheck --checksums --sql app.sql --database app'],
  session: [
    'pbkfs show -B backups -I a',
    'pbkfs mount -B backups -I a -i latest -D mnt -d diff',
    'echo "written to the mount" > mnt/note; cat mnt/PG_VERSION',
    'pbkfs info mnt --file base/1/1259 --block 2',
    'pbkfs sync mnt',
    'pbkfs list',
    'pbkfs unmount -D mnt',
    'pbkfs export diff -o plain; ls plain/note',
    'pbkfs cleanup -d diff',
    'pbkfs cleanup -d diff --force',
  ],
};
const wanted = process.argv.slice(2);

try {
  execFileSync('tar', ['--zstd', '-xf', join(root, 'test/fixtures/mini.tar.zst'), '-C', home]);
  execFileSync('mv', [join(home, 'mini/catalog'), join(home, 'backups')]);
  execFileSync('chown', ['-R', '0:0', join(home, 'backups')]);
  mkdirSync(join(home, 'mnt'));
  mkdirSync(join(home, 'bin'));
  const program = `#!/bin/sh\nexec ${process.execPath} ${join(root, 'dist/bundle/cli/pbkfs.js')} "$@"\n`;
  writeFileSync(join(home, 'bin/pbkfs'), program, { mode: 0o755 });
  writeFileSync(join(home, 'app.sql'), 'select count(*) > 0 from pg_class;\nselect true;\n');
  for (const [name, commands] of Object.entries(sessions)) {
    if (wanted.length === 0 || wanted.includes(name)) record(name, commands);
  }
} finally {
  spawnSync(process.execPath, [join(root, 'dist/bundle/cli/pbkfs.js'), 'unmount', '-D', join(home, 'mnt'), '--force']);
  rmSync(home, { recursive: true, force: true });
}

/** Shorter names leave the columns of a table too wide. */
function aligned(lines) {
  const rows = lines.map((line) => line.split(/ {2,}/));
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join('  '));
}

function record(name, commands) {
  const lines = commands.flatMap((command) => {
    // Only its own mounts and directories: whatever else is mounted on this host is nobody's business.
    const env = {
      ...process.env,
      PATH: `${join(home, 'bin')}:${process.env.PATH}`,
      XDG_STATE_HOME: join(home, 'state'),
    };
    const { stdout } = spawnSync('sh', ['-c', `${command} 2>&1`], { cwd: home, env, encoding: 'utf8' });
    const shown = stdout
      .trimEnd()
      .split('\n')
      .filter((line) => !/^\/tmp\/(?!pbkfs-session-)/.test(line));
    const renamed = shown.map((line) => line.replaceAll(home, '/srv'));
    return [`$ ${command}`, ...(command === 'pbkfs list' ? aligned(renamed) : renamed)];
  });
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const [begin, end] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`];
  const at = readme.indexOf(begin) + begin.length;
  if (at < begin.length || !readme.includes(end)) throw new Error(`README.md has no markers for the ${name}`);
  const block = `\n\`\`\`console\n${lines.map((line) => line.trimEnd()).join('\n')}\n\`\`\`\n\n`;
  writeFileSync(join(root, 'README.md'), readme.slice(0, at) + block + readme.slice(readme.indexOf(end)));
}
