#!/bin/sh
# Each file is part of a release: a line of some .am names it, or a folder
# that it is in.  (What is missing, only "make distcheck" would notice, late.)
#
# usage: release.sh [TOP]
set -eu
cd "${1:-.}"

lists=$(find . -name '*.am' -not -path './build*' -not -path './tests/*/node_modules/*')
# shellcheck disable=SC2086	# one word each
words=$(cat $lists | tr -s ' \t\\' '\n' | grep / | sort -u)
files=$(find src shm workers man packaging tests -type d \
    -name node_modules -prune -o -type f \
    \( -name '*.[ch]' -o -name '*.def' -o -name '*.mjs' -o -name '*.sh' \
    -o -name '*.[1578]' -o -name '*.conf' -o -name '*.json' \) -print)
missing=$(echo "$files" | awk -v words="$words" '
BEGIN {
	n = split(words, row, "\n")
	for (i = 1; i <= n; i++)
		named[row[i]] = 1
}
{
	path = $0
	while (!(path in named) && sub(/\/[^\/]*$/, "", path))
		;
	if (!(path in named))
		print $0 ": no .am names it"
}')
[ -z "$missing" ] || {
	echo "$missing"
	exit 1
}
echo "release: $(echo "$files" | wc -l) files, each named by an .am"
