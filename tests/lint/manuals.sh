#!/bin/sh
# Manual pages: mandoc finds nothing to warn about, the pages that they name are
# there, and each names roost(7), from which all others can be found.  What is
# quoted is one thing.
#
# usage: manuals.sh [TOP]
set -eu
cd "${1:-.}"

pages=$(find man -name '*.[0-9]' | sort)
if [ -z "$pages" ]; then
	echo 'manuals: none found'
	exit 1
fi
if ! command -v mandoc >/dev/null; then
	echo 'manuals: mandoc is not installed (apt-get install mandoc)'
	exit 1
fi
bad=0
for p in $pages; do
	mandoc -T lint -W warning "$p" || bad=$((bad + 1))
	for x in $(sed -nE 's/^\.(Xr|It Xr) (roost[a-z.-]*) ([0-9]).*/\2.\3/p' \
	    "$p" | sort -u); do
		[ -e "man/$x" ] || { echo "$p: no page $x"; bad=$((bad + 1)); }
		# those that roost(7) does not lead to
		grep -q "^\.It Xr ${x%.*} ${x##*.}$" man/roost.7 ||
		    [ "$x" = roost.7 ] ||
		    { echo "$p: roost.7 has no $x"; bad=$((bad + 1)); }
	done
	# a quote goes to the end of its line: .Po and .Pc around several
	! grep -nE '^\.([A-Z][a-z] )?(Sq|Dq|Ql) .* (No|Va|Ic|Cm|Xr|Pa|Li|Ql|Fl|Ar|Dv|Ev|:|;|,) ' \
	    "$p" | grep -v ' Ns ' ||
	    { echo "$p: more than one is quoted"; bad=$((bad + 1)); }
	[ "$p" = man/roost.7 ] || grep -q '^\.Xr roost 7' "$p" ||
	    { echo "$p: does not name roost.7"; bad=$((bad + 1)); }
done
echo "manuals: $(echo "$pages" | wc -l) pages, $bad wrong"
[ "$bad" -eq 0 ]
