#!/bin/sh
# Every counter counts: each row of counters.def is named by the daemon's code,
# and so is each reason of reason.def and authfail.def, which are counted.  A row for a feature to come is a promise in /metrics that nobody keeps.
#
# usage: counters.sh [TOP]
set -eu
cd "${1:-.}"

code=$(mktemp)
trap 'rm -f "$code"' EXIT
# the daemon; what only reads does not count
find src shm workers -name '*.[ch]' ! -path 'src/tools/*' -exec \
    grep -ohE '\b(COUNTER|HISTOGRAM|NS|REASON|AUTHFAIL)_[a-z][a-z0-9_]*' \
    '{}' + |
sort -u >"$code"

rows=$(sed -nE \
    -e 's/^COUNTER(_OF)?\(([a-z0-9_]+),[[:space:]]*HISTOGRAM.*/HISTOGRAM_\2/p' \
    -e 's/^COUNTER(_OF)?\(([a-z0-9_]+),[[:space:]]*(COUNTER|GAUGE).*/COUNTER_\2/p' \
    -e 's/^NS_(COUNTER|MASTER)\(([a-z0-9_]+),.*/NS_\2/p' shm/counters.def
sed -nE 's/^(REASON|AUTHFAIL)\(([a-z0-9_]+),.*/\1_\2/p' src/base/reason.def \
    src/proto/authfail.def)
count=0
bad=0
for r in $rows; do
	count=$((count + 1))
	if ! grep -qx "$r" "$code"; then
		echo "nothing counts $r"
		bad=$((bad + 1))
	fi
done
if [ "$count" -ne "$(cat shm/counters.def src/base/reason.def \
    src/proto/authfail.def | grep -cE \
    '^((NS_)?(COUNTER|COUNTER_OF|MASTER)|REASON|AUTHFAIL)\(')" ]; then
	echo 'a row that this lint does not understand'
	bad=$((bad + 1))
fi
echo "counters: $count rows, $bad wrong"
[ "$count" -gt 0 ] && [ "$bad" -eq 0 ]
