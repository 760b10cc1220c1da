#!/usr/bin/env node
// The program `pbkfs`. PostgreSQL starts archive-get once a WAL segment: that command is loaded alone.

if (process.argv[2] === 'archive-get') void import('./archive-get-program.js');
else void import('./main.js');
