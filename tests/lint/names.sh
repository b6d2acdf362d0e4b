#!/bin/sh
# Names survive grep and a backtrace.  A static function begins with a word of
# its file's name, or with the beginning of one (three letters at least):
# chunk_size() in http_chunked.c, cert_read() in certificate.c.  No two static
# functions of the tree share a name.  In headers only the latter counts: what
# is inline there is called from elsewhere.
#
# Files that do not keep to it yet stand in tests/lint/names, by their name
# alone, as folders may change; nothing is added there, and what keeps to it
# is taken out.
#
# usage: names.sh [TOP]
set -eu
cd "${1:-.}"

# right as they are, and why
right() {
	cat <<'EOF'
usage		what every program's answer to a wrong call is called
poller_		the thing that polling*.c are about
EOF
}

find src shm workers man -name '*.[ch]' | sort | xargs awk \
    -v right="$(right)" -v later="$(grep -v '^#' tests/lint/names)" '
BEGIN {
	n = split(right, row, "\n")
	for (i = 1; i <= n; i++) {
		split(row[i], f, "\t")
		excepted[f[1]] = 1
	}
	n = split(later, row, "\n")
	for (i = 1; i <= n; i++)
		if (row[i] != "")
			put_off[row[i]] = 1
}
FNR == 1 {
	file = FILENAME
	sub(/^.*\//, "", file)
	stem = file
	sub(/\.[ch]$/, "", stem)
	nwords = split(stem, words, "_")
	open = 0
}
# a word of the stem, or its beginning
function carries(name,	first, i)
{
	first = name
	sub(/_.*$/, "", first)
	if ((first "_") in excepted)
		return 1
	for (i = 1; i <= nwords; i++)
		if (first == words[i] || (length(first) > 2 &&
		    index(words[i], first) == 1))
			return 1
	return 0
}
function wrong(what)
{
	if (file in put_off) {
		needed[file] = 1
		return
	}
	printf "%s:%d: %s\n", FILENAME, FNR, what
	bad++
}
function defined(name,	other)
{
	count++
	if (name in excepted || (name, FILENAME) in seen)
		return
	seen[name, FILENAME] = 1
	if (file ~ /\.c$/ && !carries(name))
		wrong(name " has no word of its file")
	if (name in home) {
		other = home[name]
		sub(/^.*\//, "", other)
		if (other in put_off)
			needed[other] = 1
		else
			wrong(name " is also a name in " home[name])
	} else
		home[name] = FILENAME
}
/^static[ \t].*[^;,]$/ && !/[={]/ { open = 1; next }
open && /^[a-z_][A-Za-z0-9_]*\(/ {
	name = $0
	sub(/\(.*/, "", name)
	defined(name)
}
{ open = 0 }
END {
	if (count == 0) {
		print "names: nothing found"
		exit 1
	}
	for (name in put_off)
		if (!(name in needed)) {
			printf "%s keeps to it: take it out of tests/lint/names\n", name
			bad++
		}
	printf "names: %d static functions, %d wrong\n", count, bad
	exit bad > 0
}'
