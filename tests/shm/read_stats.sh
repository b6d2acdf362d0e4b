#!/bin/sh
# The stats file as a stranger reads it, while its writers die.
python3 --version >/dev/null || { echo 'python3 is needed' >&2; exit 1; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
python3 "${srcdir:-.}/tests/shm/read_stats.py" ./stats_victim "$dir"
