// Loaded by NODE_OPTIONS=--require: a pipe on standard error passes for a terminal, so that a test sees the progress.

Object.defineProperties(process.stderr, { isTTY: { value: true }, columns: { value: 400 } });
