# Sourced by the scripts that count what tap said.

# tap_count FILE WHAT: how many assertions (total, pass, fail, skip) by the last summary in the output of tap; nothing where
# there is no summary, or no such assertions.
tap_count() {
  grep -aE '^# \{ total: ' "$1" | tail -n 1 | sed -nE "s/.*[ {]$2: ([0-9]+).*/\1/p"
}
