// Small files of JSON that one process of pbkfs leaves for another: missing, cut off or not ours, they say nothing.

import { readFileSync } from 'node:fs';

/** @returns undefined where the file cannot be read or holds no JSON; that it is a T is not checked */
export function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}
