// The program's own compiled modules, rewritten so that a thread of them stops before each access to shared memory: what
// touches it becomes a generator which yields what it is about to do. Nothing else of the code changes, so what is explored
// is what runs in a mount, and cannot drift from it.
//
// A function stops if it uses Atomics, an array of shared words, or calls anything that stops; it is known by its name, and
// a name that is taken for another one only makes a generator of a function that never yields.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import { findStopping, rewrite } from './rewrite.js';

/** Where the compiled sources are. */
const compiled = fileURLToPath(new URL('../../../src/', import.meta.url));
const runtime = new URL('./threads.js', import.meta.url).href;

/** A mistake that is made on purpose: in the compiled text of a module, `from` becomes `to`. */
export interface Mistake {
  readonly module: string;
  readonly from: string;
  readonly to: string;
}

/** Built-in functions that stop: `threads.ts` has others for them. */
const REPLACED: Record<string, string> = { 'node:fs': runtime, 'node:perf_hooks': runtime };

function fileOf(module: string): string {
  return join(compiled, `${module}.js`);
}

export interface StepwiseOptions {
  /** made in the modules on purpose */
  readonly mistakes?: readonly Mistake[];
  /** modules whose plain reads and writes of shared arrays are steps, too */
  readonly plain?: readonly string[];
  /** modules of the test in place of what they import, by how they name it */
  readonly instead?: Readonly<Record<string, string>>;
}

/**
 * Loads modules of src (`fs/channel` …) in their stopping form; what they import is that form too if it is among them.
 * @throws where the text of a mistake is not there exactly once
 */
export async function loadStepwise(
  modules: readonly string[],
  { mistakes = [], plain = [], instead = {} }: StepwiseOptions = {},
): Promise<Record<string, unknown>> {
  const replaced = { ...REPLACED, ...instead };
  const directory = mkdtempSync(join(tmpdir(), 'pbkfs-stepwise-'));
  const targetOf = (module: string): string => join(directory, `${module.replaceAll('/', '-')}.mjs`);
  const sources = modules.map((module) => {
    let text = readFileSync(fileOf(module), 'utf8');
    for (const { module: where, from, to } of mistakes) {
      if (where !== module) continue;
      if (text.split(from).length !== 2) throw new Error(`${module}.js has not once: ${from}`);
      text = text.replace(from, () => to);
    }
    return ts.createSourceFile(fileOf(module), text, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS);
  });
  const found = findStopping(sources, new Set(plain.map(fileOf)));
  const loaded: Record<string, unknown> = {};
  for (const [i, source] of sources.entries()) {
    const importOf = (from: string): string => {
      if (replaced[from] !== undefined) return replaced[from];
      if (!from.startsWith('.')) return from.startsWith('node:') ? from : import.meta.resolve(from);
      const file = fileURLToPath(new URL(from, pathToFileURL(source.fileName)));
      const module = relative(compiled, file).replace(/\.js$/, '');
      return pathToFileURL(modules.includes(module) ? targetOf(module) : file).href;
    };
    const text = `import { run as $run, finish as $finish, pick as $pick } from ${JSON.stringify(runtime)};\n${rewrite(source, found, importOf)}`;
    writeFileSync(targetOf(modules[i]), text);
  }
  try {
    for (const module of modules) Object.assign(loaded, await import(pathToFileURL(targetOf(module)).href));
  } finally {
    rmSync(directory, { recursive: true });
  }
  return loaded;
}
