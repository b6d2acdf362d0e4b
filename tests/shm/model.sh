#!/bin/sh
# The state machines of shm/table.h, exhaustively: table.pml with spin.
#	model.sh SRCDIR		a few seconds
#	model.sh SRCDIR all	minutes, some GB of memory; broken variants too
src=${1:-.}
: "${CC:=cc}"
command -v spin >/dev/null || { echo 'spin is needed: apt-get install spin' >&2; exit 1; }
model=$(cd "$src" && pwd)/tests/shm/table.pml
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 2
bad=0

# run EXPECTED DEFINES...: EXPECTED is 0 for no error, 1 for some
run() {
	want=$1
	shift
	rm -f pan* ./*.trail
	spin -a "$@" "$model" >spin.out 2>&1 &&
	    $CC -O2 -w -DSAFETY -DCOLLAPSE -o pan pan.c || exit 2
	./pan -m200000 -w24 >out 2>&1
	got=1
	grep -q "errors: 0" out && got=0
	# a search cut short proves nothing
	grep -q "max search depth too small\|out of memory" out && got=2
	[ $got = "$want" ] || { bad=1; cat out; }
	echo "$* expected $want got $got:" \
	    "$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1 states/p' out)"
}

run 0 -DNORELAY -DOPS=1 -DCRASH=1 -DEVICT=1 -DNN=1
run 1 -DNORELAY -DOPS=2 -DOPS1=1 -DCRASH=1 -DEVICT=1 -DBUG=1
if [ "$2" = all ]; then
	run 0 -DNORELAY -DOPS=1 -DCRASH=1 -DEVICT=1
	run 0 -DOPS=1 -DRCRASH=1 -DCRASH=0 -DEVICT=0 -DNN=1
	run 0 -DOPS=2 -DOPS1=0 -DCRASH=0 -DRCRASH=1 -DEVICT=1 -DNN=1
	run 0 -DOPS=2 -DOPS1=0 -DCRASH=1 -DEVICT=1 -DNN=1
	for bug in 2 3 4 5 7 8 9; do
		run 1 -DNORELAY -DOPS=2 -DOPS1=1 -DCRASH=1 -DEVICT=1 \
		    -DBUG=$bug
	done
	run 1 -DOPS=2 -DOPS1=0 -DCRASH=0 -DRCRASH=1 -DEVICT=1 -DNN=1 -DBUG=6
	run 0 -DNORELAY -DOPS=2 -DOPS1=1 -DCRASH=1 -DEVICT=1
fi
exit $bad
