// Makes src/backup/codec/lz-module.ts from the AssemblyScript beside it: `npm run assemble`, whenever that changes. The file is
// kept in the repository; test/backup/lz-wasm.test.ts compares (`--check`: exit status 1 when it is not what would be made).

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const source = 'src/backup/codec/assembly/lz.ts';
const target = 'src/backup/codec/lz-module.ts';
const root = fileURLToPath(new URL('..', import.meta.url));

let binary;
const { error, stderr } = await asc.main(
  [source, '--outFile', 'lz.wasm', '--optimizeLevel', '3', '--runtime', 'stub', '--noAssert', '--use', 'abort='],
  {
    readFile: (name, base) => readFile(`${base}/${name}`, 'utf8').catch(() => null),
    writeFile: (_, contents) => {
      binary = contents;
    },
    listFiles: () => [],
    baseDir: root,
  },
);
if (error) {
  console.error(stderr.toString());
  throw error;
}
const lines = Buffer.from(binary)
  .toString('base64')
  .match(/.{1,110}/g);
const text = `// Made by \`npm run assemble\` from ${source}: a WebAssembly module, in base64. Not to be changed by hand.

export const LZ_MODULE = [
${lines.map((line) => `  '${line}',`).join('\n')}
].join('');
`;
const old = await readFile(root + target, 'utf8').catch(() => '');
if (!process.argv.includes('--check')) await writeFile(root + target, text);
else if (old !== text) {
  console.error(`${target} is not what ${source} makes: run \`npm run assemble\``);
  process.exitCode = 1;
}
