#!/bin/sh
# Break one rule of shm/table.h (COUNT_: shm/count.h) at a time and see the
# stress notice.
#	teeth.sh SRCDIR [SECONDS each may take]
set -u
src=${1:-.}
seconds=${2:-30}
: "${CC:=cc}"
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
missed=0
for rule in COLUMN_FIRST NO_GRACE NO_WALK NO_UNDO NO_MARK NO_PEND \
    COUNT_LATE; do
	stress=stress
	case $rule in COUNT_*) stress=stress_count ;; esac
	$CC -std=gnu17 -D_GNU_SOURCE -O2 -I"$src/src" -I"$src" \
	    -I"$src/tests/shm" -DSHM_HOOKS -DBREAK_$rule=1 \
	    -o "$dir/stress" "$src"/tests/shm/$stress.c \
	    "$src"/tests/shm/verify.c "$src"/shm/*.c \
	    "$src"/src/base/bug.c "$src"/src/base/hash.c \
	    "$src"/src/base/buf.c "$src"/src/base/state.c "$src"/src/base/reason.c \
	    ${BSD_LIBS:--lbsd} || exit 2
	if "$dir/stress" --seconds "$seconds" >"$dir/out" 2>&1; then
		echo "BREAK_$rule: not noticed"
		cat "$dir/out"
		missed=1
	else
		echo "BREAK_$rule: noticed"
	fi
done
exit $missed
