// Loaded by NODE_OPTIONS=--require: a machine that has more processors than a server takes clients.

import os = require('node:os');

os.availableParallelism = () => 1000;
