#!/bin/sh
# One hand: what could be written in two ways is written in one.
#
#	sizeof x		of a thing; sizeof(struct x) of a type
#	unsigned i;		loop variables at the head of a function's
#	for (i = 0; ...)	block, not in the for
#	"event key=value"	log lines: one word, then what belongs to it; a
#				value with blanks in quotes
#
# Files that do not keep to it yet stand in tests/lint/hand, by their name
# alone; nothing is added there, and what keeps to it is taken out.
#
# usage: hand.sh [TOP]
set -eu
cd "${1:-.}"

find src shm workers man -name '*.[ch]' | sort | xargs awk \
    -v later="$(grep -v '^#' tests/lint/hand)" '
BEGIN {
	n = split(later, row, "\n")
	for (i = 1; i <= n; i++)
		if (row[i] != "")
			put_off[row[i]] = 1
	WORD = "[a-z][a-z0-9_.]*"
	LINE = "^[a-z][a-z0-9_]*( " WORD "=(\\\\\"[^\"]*\\\\\"|[^ \"\\\\]+))*$"
}
FNR == 1 {
	file = FILENAME
	sub(/^.*\//, "", file)
	text = ""
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
function is_type(s)
{
	return s ~ /^(struct|enum|union|const|unsigned|signed|char|short|int|long|float|double|void|bool|_Atomic)[ *)]/ ||
	    s ~ /^[a-z0-9_]+_t[ *)]/
}
# each form that the first argument of a call may have
function formats(s,	c, form, inside, i, n)
{
	n = length(s)
	for (i = 1; i <= n; i++) {
		c = substr(s, i, 1)
		if (inside && c == "\\") {
			form = form substr(s, i++, 2)
		} else if (c == "\"")
			inside = !inside
		else if (inside)
			form = form c
		else if (substr(s, i, 3) == "PRI") {
			form = form "d"
			while (substr(s, i + 1, 1) ~ /[A-Za-z0-9]/)
				i++
		} else if (c == ":" || c == "," || c == ";" || c == ")") {
			if (form == "")
				return
			logged++
			if (form !~ LINE)
				wrong("\"" form "\" is not \"event key=value\"")
			if (c != ":")
				return
			form = ""
		} else if (c == "?")
			form = ""
	}
}
{
	line = $0 ~ /^#[ \t]*define/ ? "" : $0
	while (match(line, /sizeof[ \t]*\([ \t]*/)) {
		rest = substr(line, RSTART + RLENGTH)
		count++
		if (!is_type(rest))
			wrong("sizeof of a thing has no parentheses")
		else if (substr(line, RSTART, RLENGTH) != "sizeof(")
			wrong("sizeof(type)")
		line = rest
	}
}
/(^|[^a-z_])for \((const |unsigned|signed|size_t|ssize_t|int|long|char|struct|enum|u?int[0-9]+_t)/ {
	wrong("a loop variable declared in its for")
}
# a call that logs, to its end
text == "" && /(^|[^a-z_])(log_(err|warn)x?|log_info|log_debug|fatalx?)\(/ &&
    !/^(void|static|#)/ && !/^[a-z_]*\(/ {
	text = $0
	sub(/^.*(log_(err|warn)x?|log_info|log_debug|fatal)\(/, "", text)
	sub(/^.*fatalx\([^,]*,/, "", text)
	if (text == "")
		text = " "
	if ($0 ~ /;$/) {
		formats(text)
		text = ""
	}
	next
}
text != "" {
	text = text " " $0
	if ($0 ~ /;$/) {
		formats(text)
		text = ""
	}
}
END {
	if (count == 0 || logged == 0) {
		print "hand: nothing found"
		exit 1
	}
	for (name in put_off)
		if (!(name in needed)) {
			printf "%s keeps to it: take it out of tests/lint/hand\n", name
			bad++
		}
	printf "hand: %d log lines, %d wrong\n", logged, bad
	exit bad > 0
}'
