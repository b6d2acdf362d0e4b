#!/bin/sh
# paths.sh sees what it is there for: it fails on a copy of the tree where the
# README or a comment names what is not there.
#
# usage: paths_self.sh [TOP]
set -eu
top=$(cd "${1:-.}" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

mkdir "$copy/tests"
cp -R "$top/README.md" "$top/src" "$top/shm" "$top/workers" "$top/man" "$copy"
cp -R "$top/tests/lint" "$top/tests/unit" "$top/tests/lib" "$copy/tests"
# wanted FILE SED-SCRIPT WHAT: with this change the check fails, and says so
wanted() {
	sed "$2" "$top/$1" >"$copy/$1"
	if cmp -s "$top/$1" "$copy/$1" ||
	    sh "$top/tests/lint/paths.sh" "$copy" >"$copy/out" 2>&1 ||
	    ! grep -q "$3" "$copy/out"; then
		cat "$copy/out"
		echo "paths: does not say: $3"
		exit 1
	fi
	cp "$top/$1" "$copy/$1"
}

sh "$top/tests/lint/paths.sh" "$copy" >"$copy/out" || {
	cat "$copy/out"
	exit 1
}
wanted README.md 's,`workers/hub/hub.c`,`workers/hub/lint.c`,' \
    'no workers/hub/lint.c'
wanted README.md 's,hub/queue/out ,hub/queue/lint ,' 'no hub/queue/lint'
wanted README.md 's,`rule_may_pass(),`lint_may_pass(),' 'no lint_may_pass'
wanted README.md 's,^   audience,   lint,' 'hub/audience is not in the picture'
wanted workers/hub/hub.c 's,See hub.h\.,See lint.h.,' 'hub.c:3: there is no lint.h'
echo 'paths: what is not there is seen'
