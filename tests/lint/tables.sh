#!/bin/sh
# What manual pages say about tables of the program is what the tables say:
# the fragments between the marks, and for each directive a paragraph in its
# section with its default and range.
#
#	tables.sh [-w]		-w: write the fragments into the pages
#
# Runs where man/mdoc_tables has been built; srcdir says where the pages are.
set -eu
: "${srcdir:=.}"
page=$srcdir/man/roost.conf.5
tables=man/mdoc_tables
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# made PAGE: the page with its fragments as they should be
made() {
	awk -v tables="$tables" '
	/^\.\\" end$/ { inside = 0 }
	!inside { print }
	/^\.\\" mdoc_tables [a-z]+$/ {
		inside = 1
		rows = 0
		command = tables " " $3
		for (; (command | getline line) > 0; rows++)
			print line
		close(command)
		if (rows == 0)
			exit 1
	}' "$1"
}
stale=
for p in $(grep -l '^\.\\" mdoc_tables' "$srcdir"/man/*.[1-9]); do
	made "$p" >"$tmp/page"
	if [ "${1-}" = -w ]; then
		cat "$tmp/page" >"$p"
	else
		diff -u "$p" "$tmp/page" || stale="$stale ${p##*/}"
	fi
done
if [ -n "$stale" ]; then
	echo "not what the tables of the code say:$stale; make tables" >&2
	exit 1
fi

"$tables" names >"$tmp/names"
awk -F '\t' -v names="$tmp/names" '
	function finish() {
		if (item != "")
			text[section "\t" item] = body
		item = ""
	}
	/^\.S[hs] / {
		finish()
		section = substr($0, 5)
		if (section == "Outside of sections")
			section = ""
	}
	/^\.It Ic / && section != "SUMMARY" {
		finish()
		item = substr($0, 8)
		body = " "
	}
	{
		line = $0
		gsub(/,|;|\.$/, " ", line)
		body = body line " "
	}
	END {
		while ((getline < names) > 0) {
			key = $1 "\t" $2
			if (!(key in text)) {
				print "no paragraph: " $1 " " $2
				bad = 1
			} else if (!index(text[key], " " $3 " ")) {
				print "no default " $3 ": " $1 " " $2
				bad = 1
			} else if ($4 !~ / / && !index(text[key], $4)) {
				print "no range " $4 ": " $1 " " $2
				bad = 1
			}
			delete text[key]
		}
		for (key in text) {
			print "no such directive: " key
			bad = 1
		}
		exit bad
	}' "$page" >&2
