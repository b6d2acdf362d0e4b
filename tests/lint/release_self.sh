#!/bin/sh
# release.sh sees what it is there for: it fails on a tree with a file that no
# .am names, and not on one without.
#
# usage: release_self.sh [TOP]
set -eu
top=$(cd "${1:-.}" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

(cd "$tree" && mkdir src shm workers man packaging tests src/named)
touch "$tree/src/a.c" "$tree/src/named/b.c"
printf 'x = \\\n\tsrc/a.c \\\n\tsrc/named\n' >"$tree/Makefile.am"
sh "$top/tests/lint/release.sh" "$tree" >"$tree/out"
touch "$tree/src/c.c"
if sh "$top/tests/lint/release.sh" "$tree" >"$tree/out" ||
    ! grep -q '^src/c.c: no .am names it$' "$tree/out"; then
	cat "$tree/out"
	echo 'release: does not see a file that no .am names'
	exit 1
fi
echo 'release: what no .am names is seen'
