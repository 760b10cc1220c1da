#!/bin/sh
# Installs the npm packages when they are missing or older than the lock file.
set -eu
cd "$(dirname "$0")/.."
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  echo "installing npm packages ..."
  npm ci --no-audit --no-fund
fi
