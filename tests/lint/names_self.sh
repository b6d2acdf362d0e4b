#!/bin/sh
# names.sh sees what it is there for: it fails on a copy of the tree with a
# name that says nothing of its file, with one that two files share, and with
# a file put off that need not be.
#
# usage: names_self.sh [TOP]
set -eu
top=$(cd "${1:-.}" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# wanted LINE-OF-ITS-OUTPUT: the check fails, and says this
wanted() {
	if sh "$top/tests/lint/names.sh" "$copy" >"$copy/out" 2>&1; then
		echo "names: passes where it has to say: $1"
		exit 1
	fi
	grep -q "$1" "$copy/out" || {
		cat "$copy/out"
		echo 'names: fails for another reason'
		exit 1
	}
}

mkdir -p "$copy/tests/lint" "$copy/src/a" "$copy/shm" "$copy/workers" \
    "$copy/man"
: >"$copy/tests/lint/names"
c_function() {
	printf 'static int\n%s(void)\n{\n\treturn (0);\n}\n' "$1"
}
c_function lint_one >"$copy/src/a/lint.c"
sh "$top/tests/lint/names.sh" "$copy" >"$copy/out" 2>&1 || {
	cat "$copy/out"
	exit 1
}
c_function look >>"$copy/src/a/lint.c"
wanted 'lint.c:7: look has no word of its file'
echo lint.c >"$copy/tests/lint/names"
sh "$top/tests/lint/names.sh" "$copy" >"$copy/out"
c_function lint_one >"$copy/src/a/lint.c"
wanted 'lint.c keeps to it'
: >"$copy/tests/lint/names"
c_function lint_one >"$copy/shm/lint_more.c"
wanted 'src/a/lint.c:2: lint_one is also a name in shm/lint_more.c'
echo 'names: sees names that say nothing, and two of one name'
