#!/usr/bin/env node
// The program `pbkfs`. Commands that somebody waits for, or that PostgreSQL starts once a WAL segment, are loaded alone.

const alone = new Map<string, () => Promise<unknown>>([
  ['archive-get', () => import('./archive-get-program.js')],
  ['mount', () => import('./mount-program.js')],
  ['validate', () => import('./validate-program.js')],
]);

void (alone.get(process.argv[2] ?? '') ?? (() => import('./main.js')))();
