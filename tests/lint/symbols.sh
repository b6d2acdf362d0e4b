#!/bin/sh
# Who calls whom, read from the built objects: a file that needs another's
# symbol is an arrow, tables of functions included.  Arrows between folders
# are those of tests/lint/floors; between the concepts of the tree there is no
# circle, but for those that tests/lint/circles names.
#
# A concept is a file; files of one stem that share a STEM_int.h are one.
#
# usage: symbols.sh [TOP [BUILD]]	objects without LTO
set -eu
cd "${1:-.}"
top=$PWD
build=${2:-build-gcc}

# objects of the daemon and of rooststat, not of tests, nor what is left of
# sources that are gone
objects=$(cd "$build" && find src shm workers -name '*.o' | sort |
    while read -r o; do
	case ${o##*/} in
	roostd-* | rooststat-* | roostctl-*) c=${o##*/}; c=${o%/*}/${c#*-} ;;
	*) c=$o ;;
	esac
	[ ! -f "$top/${c%.o}.c" ] || echo "$o"
    done)
[ -n "$objects" ] || { echo "symbols: no objects in $build"; exit 1; }
# NAME FILE of all symbols that an object defines or needs
symbols() {
	(cd "$build" && nm -A "$1" -g $objects) |
	    sed -E -n 's/^([^:]*)\.o:[ 0-9a-f]* [A-Za-z] ([A-Za-z0-9_]+)$/\2 \1/p'
}
{
	find src shm workers -name '*_int.h' | sed 's/^/stem /'
	sed 's/^/floor /' tests/lint/floors
	sed 's/^/circle /' tests/lint/circles
	symbols --defined-only | sed 's/^/has /'
	symbols -u | sed 's/^/needs /'
} | awk '
function name(path,	dir, file)
{
	sub(/^(src|workers)\//, "", path)
	dir = file = path
	sub(/[^\/]*$/, "", dir)
	sub(/^.*\//, "", file)
	sub(/^(rooststat|roostd|roostctl)-/, "", file)
	return dir file
}
function concept(path,	s)
{
	path = name(path)
	for (s in stem)
		if (path == s || index(path, s "_") == 1)
			return s
	return path
}
function folder(path)
{
	return sub(/\/[^\/]*$/, "", path) ? path : path ".c"
}
# Tarjan: depth first, a circle is what a low link closes
function visit(v,	i, n, w, list, members)
{
	order[v] = low[v] = ++clock
	stack[++top] = v
	on[v] = 1
	n = split(out[v], list, " ")
	for (i = 1; i <= n; i++) {
		w = list[i]
		if (!(w in order)) {
			visit(w)
			if (low[w] < low[v])
				low[v] = low[w]
		} else if (on[w] && order[w] < low[v])
			low[v] = order[w]
	}
	if (low[v] != order[v])
		return
	n = 0
	do {
		w = stack[top--]
		on[w] = 0
		members[++n] = w
	} while (w != v)
	if (n > 1)
		for (circles++; n > 0; n--)
			round[members[n]] = circles
}
$1 == "stem" {
	s = name($2)
	sub(/_int\.h$/, "", s)
	stem[s] = 1
}
$1 == "floor" && $2 == "order" {
	for (i = 4; i <= NF; i++)
		place[$3 "/" $i] = ++places
	next
}
$1 == "floor" && $2 !~ /^#/ && NF > 1 {
	i = $2 == "calls" ? 3 : 2
	who = $i
	known[who] = 1
	for (i++; i <= NF; i++) {
		may[who, $i] = 1
		whole = $i
		if (sub(/\.h$/, "", whole))
			may[who, whole] = 1
	}
}
$1 == "circle" && $2 !~ /^#/ && NF > 1 {
	allowed_n++
	for (i = 2; i <= NF; i++)
		allowed[$i] = allowed_n
}
$1 == "has" { home[$2] = $3 }
$1 == "needs" && ($2 in home) && home[$2] != $3 {
	from = concept($3)
	to = concept(home[$2])
	if (from == to)
		next
	if (!((from, to) in arrow)) {
		arrow[from, to] = $2
		out[from] = out[from] " " to
		all[from] = all[to] = 1
		arrows++
	}
	a = folder(name($3))
	if (name($3) ".c" in known)
		a = name($3) ".c"
	b = folder(name(home[$2]))
	if ((from in place) && (to in place) && a == b &&
	    place[from] < place[to]) {
		printf "%s stands below %s and may not call %s\n", name($3),
		    name(home[$2]), $2
		bad++
	}
	own = a
	sub(/\/.*/, "", own)
	if (a != b && own != b && !((a, b) in may) && !((a, name(home[$2])) in may)) {
		printf "%s may not call %s: %s\n", name($3),
		    name(home[$2]), $2
		bad++
	}
}
END {
	if (arrows == 0) {
		print "symbols: nothing found"
		exit 1
	}
	for (v in all)
		if (!(v in order))
			visit(v)
	for (v in round)
		if (!(v in allowed)) {
			printf "%s stands in a circle with", v
			for (w in round)
				if (w != v && round[w] == round[v])
					printf " %s", w
			printf "\n"
			bad++
		}
	for (v in allowed)
		if (!(v in round)) {
			printf "%s stands in no circle any more: %s\n", v,
			    "take it out of tests/lint/circles"
			bad++
		}
	# one listed circle must not have grown together with another
	for (v in round)
		for (w in round)
			if (round[v] == round[w] && (v in allowed) &&
			    (w in allowed) && allowed[v] < allowed[w]) {
				printf "%s and %s: two circles became one\n",
				    v, w
				bad++
			}
	printf "symbols: %d arrows, %d circles, %d wrong\n", arrows,
	    circles, bad
	exit bad > 0
}'
