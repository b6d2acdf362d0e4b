#!/bin/sh
# Manual pages: mandoc finds nothing to warn about.
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
done
echo "manuals: $(echo "$pages" | wc -l) pages, $bad wrong"
[ "$bad" -eq 0 ]
