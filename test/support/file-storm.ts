// A process of the file storm: creates, writes, closes and checks many files at once. Arguments: directory, name, count.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const [directory, name, count] = process.argv.slice(2) as [string, string, string];
const content = (file: string): string => `${file}\n`.repeat(1 + (Number(file.split('-')[1]) % 900));
const files = Array.from({ length: Number(count) }, (_, i) => `${name}-${i}`);
await mkdir(directory, { recursive: true });
await Promise.all(files.map((file) => writeFile(join(directory, file), content(file), { flag: 'wx' })));
const wrong = await Promise.all(
  files.map(async (file) => (await readFile(join(directory, file), 'latin1')) !== content(file)),
);
if (wrong.includes(true)) throw new Error(`${files[wrong.indexOf(true)]} holds something else`);
