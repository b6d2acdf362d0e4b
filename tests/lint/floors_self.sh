#!/bin/sh
# The two checks of the picture see what they are there for: each fails on a
# copy of the tree with one forbidden arrow in it.
#
# usage: floors_self.sh [TOP [BUILD]]
set -eu
top=$(cd "${1:-.}" && pwd)
build=$(cd "$top" && cd "${2:-build-gcc}" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

bad() {
	echo "floors: $*"
	exit 1
}
# wanted SCRIPT LINE-OF-ITS-OUTPUT: the check fails, and says this
wanted() {
	if sh "$top/tests/lint/$1" "$copy" "$copy/objects" >"$copy/out" 2>&1
	then
		bad "$1 passes with a forbidden arrow"
	fi
	grep -q "$2" "$copy/out" || {
		cat "$copy/out"
		bad "$1 fails for another reason"
	}
}

mkdir -p "$copy/tests" "$copy/objects"
cp -R "$top/src" "$top/shm" "$top/workers" "$top/man" "$copy"
cp -R "$top/tests/lint" "$copy/tests/lint"
(cd "$build" && find src shm workers -name '*.o' | tar -cf - -T -) |
    tar -xf - -C "$copy/objects"

echo '#include "worker/net/conn.h"' >>"$copy/workers/hub/room.c"
wanted includes.sh 'workers/hub/room.c:.*may not include "worker/net/conn.h"'

# an object whose only symbol stands above it, and one that closes a circle
object() {
	printf '%s\n' "$2" >"$copy/$1.c"
	${CC:-cc} -c -o "$copy/objects/$1.o" "$copy/$1.c"
}
object workers/hub/lint_up \
    'void worker_lint(void); void hub_lint(void) { worker_lint(); }'
object workers/worker/lint_top 'void worker_lint(void) { }'
wanted symbols.sh 'hub/lint_up may not call worker/lint_top: worker_lint'
rm "$copy/workers/worker/lint_top.c"

object workers/hub/lint_up \
    'void b_lint(void); void a_lint(void) { b_lint(); }'
object workers/hub/lint_down \
    'void a_lint(void); void b_lint(void) { a_lint(); }'
wanted symbols.sh 'hub/lint_up stands in a circle with hub/lint_down'

# within a folder: what stands later in its order
echo '#include "shm/table.h"' >>"$copy/shm/slots.c"
wanted includes.sh 'shm/slots.c:.*"shm/table.h" stands above it'
object shm/layout 'void up_lint(void); void layout_lint(void) { up_lint(); }'
object shm/internal 'void up_lint(void) { }'
wanted symbols.sh 'shm/layout stands below shm/internal and may not call up'
echo 'floors: both checks see a forbidden arrow and a new circle'
