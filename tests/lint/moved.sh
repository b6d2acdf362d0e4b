#!/bin/sh
# Every counter is moved by a test: each row of counters.def, reason.def and
# authfail.def is named by an assertion that would fail if nothing counted.
#
# What is understood: in C a statement with COUNTER_row, HISTOGRAM_row or
# NS_row and a word that asserts; in the tests of the daemon a statement with
# the name that is exported (and the value of its label) and such a word; where
# a file fills in the label from a table, the label in quotes is a row.  To be 0 is no proof, so a comparison with 0 does not count, unless it is > or
# the row is a gauge.
#
# Exempt are what only a bug of ours could move; each says why.
#
# usage: moved.sh [TOP]
set -eu
cd "${1:-.}"

# kind, row, exported name, value of the label or -
rows() {
	sed -nE \
	    -e 's/^COUNTER\(([a-z0-9_]+),[[:space:]]*([A-Z]+).*/\2 \1 \1 -/p' \
	    -e 's/^COUNTER_OF\(([a-z0-9_]+),[[:space:]]*([A-Z]+), ([a-z_]+), "[a-z]+=\\"([a-z0-9_]+)\\"".*/\2 \1 \3 \4/p' \
	    -e 's/^NS_[A-Z]+\(([a-z0-9_]+),[[:space:]]*([A-Z]+),[[:space:]]+([a-z_]+), "".*/\2 \1 \3 -/p' \
	    -e 's/^NS_[A-Z]+\(([a-z0-9_]+),[[:space:]]*([A-Z]+),[[:space:]]+([a-z_]+), "[a-z]+=\\"([a-z0-9_]+)\\"".*/\2 \1 \3 \4/p' \
	    shm/counters.def
	sed -nE 's/^REASON\(([a-z0-9_]+),.*/REASON \1 connections_closed|clients_closed \1/p' \
	    src/base/reason.def
	sed -nE 's/^AUTHFAIL\(([a-z0-9_]+),.*/AUTHFAIL \1 auth_failed \1/p' \
	    src/proto/authfail.def
}

# row, and why no test can move it
exempt() {
	cat <<'EOT'

EOT
}

list=$(mktemp)
trap 'rm -f "$list"' EXIT
rows >"$list"
n=$(wc -l <"$list")
want=$(cat shm/counters.def src/base/reason.def src/proto/authfail.def |
    grep -cE '^((NS_)?(COUNTER|COUNTER_OF|MASTER)|REASON|AUTHFAIL)\(')
if [ "$n" -ne "$want" ]; then
	echo "moved: $want rows, $n understood"
	exit 1
fi

find tests/unit tests/shm tests/e2e -maxdepth 1 -name '*.c' -o \
    -maxdepth 1 -name '*.test.mjs' | sort | xargs awk -v list="$list" -v exempt="$(exempt)" '
BEGIN {
	# a name and the value of its label, in one string or in two
	BETWEEN = "[^a-z0-9_ ]*[, \t]*[^a-z0-9_ ]*(ns=[^,]*,)?([a-z]+=)?[\"]?"
	# counts(name, what it shall be, label)
	VALUE = "[\"'\''], [^\"'\''`;]*, [\"'\''](ns=[^,]*,)?([a-z]+=)?[\"]?"
	n = split(exempt, lines, "\n")
	for (i = 1; i <= n; i++) {
		split(lines[i], f, "\t")
		excused[f[1]] = 1
	}
	while ((getline line < list) > 0) {
		split(line, f, " ")
		kind[++rows] = f[1]; row[rows] = f[2]
		name[rows] = f[3]; label[rows] = f[4]
		# what is in every string that has the name
		part[rows] = f[3]
		sub(/^.*[|]clients/, "", part[rows])
		sub(/_[um]s$/, "", part[rows])
		sub(/_us$/, "_seconds(_count|_sum|_bucket)", name[rows])
		sub(/_ms$/, "_seconds(_count|_sum|_bucket)?", name[rows])
	}
}
# the word, with nothing of a longer one beside it
function has(s, word) {
	return (s ~ ("(^|[^a-z0-9_])(" word ")([^a-z0-9_]|$)"))
}
function of_c(s,    i, w) {
	if (s !~ /assert_|expect_/)
		return
	for (i = 1; i <= rows; i++) {
		if (seen[i] || !index(s, row[i]) && !index(s, name[i]))
			continue
		if (label[i] == "-" && index(s, "\"" name[i] "\""))
			seen[i] = 1
		w = "(COUNTER|HISTOGRAM|NS|CELL_CLIENT [+] REASON)_" row[i]
		if (s ~ (w "([^a-z0-9_]|$)") ||
		    s ~ ("assert_counted\\(" row[i] "[^a-z0-9_]"))
			seen[i] = 1
	}
}
function of_js(s,    i, zero) {
	if (s ~ /="?\$\{/)
		for (i = 1; i <= rows; i++)
			if (label[i] != "-" && index(s, part[i]) &&
			    has(s, name[i]))
				tables[FNAME, name[i]] = 1
	if (s !~ /assert[.(]|until\(|counts\(|moved\(/)
		return
	zero = s ~ /([=l][=(]|counts\()[^>]*, 0[,)]|=== 0/ && s !~ /> 0|>= [1-9]/
	for (i = 1; i <= rows; i++) {
		if (seen[i] || zero && kind[i] != "GAUGE" ||
		    !index(s, part[i]) || !has(s, name[i]))
			continue
		if (label[i] == "-" || s ~ ("(" name[i] ")(" BETWEEN "|" \
		    VALUE ")" label[i] "[^a-z0-9_]"))
			seen[i] = 1
	}
}
function statement() {
	if (FNAME ~ /\.c$/)
		of_c(text)
	else {
		of_js(text)
		whole[FNAME] = whole[FNAME] " " text
	}
	text = ""
}
FNR == 1 { statement(); FNAME = FILENAME }
{ text = text " " $0 }
/;[ \t]*(\/\*.*\*\/)?$/ { statement() }
END {
	statement()
	for (key in tables) {
		split(key, k, SUBSEP)
		for (i = 1; i <= rows; i++)
			if (name[i] == k[2] && has(whole[k[1]], "[\"'\'']" \
			    label[i] "[\"'\'']"))
				seen[i] = 1
	}
	for (i = 1; i <= rows; i++)
		if (seen[i] && row[i] in excused) {
			print row[i] " is asserted: it needs no exemption"
			bad++
		} else if (!seen[i] && !(row[i] in excused)) {
			printf "no test asserts that %s moves", row[i]
			printf " (%s%s)\n", name[i], \
			    label[i] == "-" ? "" : ", " label[i]
			bad++
		}
	printf "moved: %d rows, %d wrong\n", rows, bad
	exit bad > 0
}'
