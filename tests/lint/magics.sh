#!/bin/sh
# Every *_MAGIC has a value of its own, not zero.
#
# usage: magics.sh [TOP]
set -eu
cd "${1:-.}"

find src shm workers -name '*.[ch]' | sort |
xargs grep -nE '^#[ 	]*define[ 	]+[A-Z0-9_]+_MAGIC[ 	]' |
awk '
{
	split($1, at, ":")
	value = tolower($3)
	sub(/^0x0*/, "0x", value)
	count++
	if (value == "0x" || value == "0") {
		printf "%s:%s: %s is zero\n", at[1], at[2], $2
		bad++
	}
	if (value in seen) {
		printf "%s:%s: %s has the value of %s\n", at[1], at[2], $2, seen[value]
		bad++
	}
	seen[value] = $2
}
END {
	printf "magics: %d, %d wrong\n", count, bad
	exit count == 0 || bad > 0
}'
