// What the block storm and its workers tell each other.

export const BLOCK = 8192;

export interface StormData {
  path: string;
  role: 'writer' | 'reader' | 'syncer';
  /** blocks this worker writes or reads: first, first + step, … below blocks */
  first: number;
  step: number;
  blocks: number;
  words: SharedArrayBuffer;
  milliseconds: number;
}

export interface StormResult {
  operations: number;
  faults: string[];
}
