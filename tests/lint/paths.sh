#!/bin/sh
# What is said of files is true of those that are there: each path that the
# README names, each file that a comment of the sources names, each function
# and table of "How it is built"; and the README's picture has every folder of
# tests/lint/floors.
#
# usage: paths.sh [TOP]
set -eu
cd "${1:-.}"

bad=0
say() {
	echo "$*"
	bad=$((bad + 1))
}
built=$(sed -n '/^## How it is built/,/^## Licence/p' README.md)
[ -n "$built" ] || say 'README.md has no "How it is built"'

# `workers/hub/hub.c`, and what follows it without its folder
for p in $(echo "$built" | grep -oE '`[a-z_./]+/[a-z_./]*`' | tr -d '`' |
    sort -u); do
	case $p in /*) continue ;; esac		# a path of HTTP
	[ -e "$p" ] || [ -e "src/$p" ] || [ -e "workers/$p" ] ||
	    [ -e "workers/hub/$p" ] || say "README.md: there is no $p"
done
# worker/net/conn_in, in the first picture
for p in $(echo "$built" | grep -oE '(^| )(worker|hub|relay)(/[a-z_]+)+' |
    tr -d ' ' | sort -u); do
	[ -e "workers/$p" ] || [ -e "workers/$p.c" ] ||
	    [ -e "workers/$p.h" ] || say "README.md: there is no $p"
done
for f in $(echo "$built" | grep -oE '`[a-z_]+\(\)`|`worker_[a-z]+`' |
    tr -d '`()' | sort -u); do
	grep -rqE "\\b$f(\\(|\\[)" src shm workers || say "README.md: there is no $f"
done
floors=$(echo "$built" | sed -n '/^### The floors/,/^### Where/p')
for p in $(sed -nE '/^(#|calls|order|$)/d; s/[[:space:]].*//; /^man$/d; p' \
    tests/lint/floors | sort -u); do
	echo "$floors" | grep -qE "(^|[^a-z])${p##*/}([^a-z]|\$)" ||
		say "README.md: $p is not in the picture"
done

names=$(find src shm workers man tests -name '*.[ch]' -o -name '*.def' -o \
    -name '*.sh' | sed 's,.*/,,' | sort -u)
count=$(find src shm workers man -name '*.[ch]' | wc -l)
wrong=$(find src shm workers man -name '*.[ch]' | sort |
    xargs awk -v names="$names" '
BEGIN {
	n = split(names, row, "\n")
	for (i = 1; i <= n; i++)
		there[row[i]] = 1
}
/^#/ { next }
{
	text = $0
	# comments alone
	if (text !~ /^[ \t]*\*/ && !sub(/^.*\/\*/, "", text))
		next
	while (match(text, /[a-z_0-9\/]*[a-z_0-9]\.[ch][.]?([^a-z_0-9.]|$)/)) {
		name = substr(text, RSTART, RLENGTH)
		text = substr(text, RSTART + RLENGTH)
		sub(/[^ch]+$/, "", name)
		sub(/.*\//, "", name)
		if (!(name in there))
			printf "%s:%d: there is no %s\n", FILENAME, FNR, name
	}
}')
[ -z "$wrong" ] || say "$wrong"
echo "paths: README.md and comments in $count files, $bad wrong"
[ "$bad" -eq 0 ]
