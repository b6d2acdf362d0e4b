#!/bin/sh
# stories.py finds what is wrong: a test that is not there, one of another row, a
# row without a test, and a file that is none.
#
# usage: stories_self.sh [TOP]
set -eu
cd "${1:-.}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

bad=0
# wrong WORDS SED: with this change it must say so
wrong() {
	rm -rf "$tmp/x"
	mkdir -p "$tmp/x/tests"
	ln -s "$PWD/tests/e2e" "$tmp/x/tests/e2e"
	sed "$2" README.md >"$tmp/x/README.md"
	if python3 tests/lint/stories.py "$tmp/x" >"$tmp/out" ||
	    ! grep -q -- "$1" "$tmp/out"; then
		echo "stories_self: not found: $1"
		cat "$tmp/out"
		bad=$((bad + 1))
	fi
}
wrong 'has no test' 's/it comes back after/it came back after/'
wrong 'does not say so' 's/^| D6 |\(.*\)`57_media` D6:.*/| D6 |\1`57_media` D2: to a whole endpoint, to one track or thread, to one user |/'
wrong 'C4 is missing' '/^| C4 |/d'
wrong 'there is no 57_none' 's/`57_media` D1/`57_none` D1/'
wrong 'names no test' 's/`57_media` D1: .* |$/nothing |/'
wrong 'F1 is no row' 's/^| D1 |/| F1 |/'
wrong 'is there twice' 's/^| D2 |/| D1 |/'
echo "stories_self: $bad wrong"
[ "$bad" -eq 0 ]
