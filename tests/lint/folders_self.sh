#!/bin/sh
# folders.sh counts: a folder of 16 passes, whatever headers and parts of one
# concept stand beside them, and one of 17 fails.
#
# usage: folders_self.sh [TOP]
set -eu
top=$(cd "${1:-.}" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

mkdir -p "$copy/src/a" "$copy/shm" "$copy/workers"
cd "$copy/src/a"
for i in a b c d e f g h i j k l m n o; do
	: >"$i.c"
	: >"$i.h"
done
touch one.c one_more.c one_int.h alone.h
sh "$top/tests/lint/folders.sh" "$copy" >"$copy/out" || {
	cat "$copy/out"
	exit 1
}
touch two.c
if sh "$top/tests/lint/folders.sh" "$copy" >"$copy/out"; then
	echo 'folders: passes with 17 concepts in one'
	exit 1
fi
grep -q 'src/a holds 17 concepts' "$copy/out"
echo 'folders: sees one that holds too many'
