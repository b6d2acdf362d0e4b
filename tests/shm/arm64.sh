#!/bin/sh
# The tests of shm/ on another processor, by emulation: aarch64, with pages of
# 4 and of 64 KiB.  (An emulator on x86 does not reorder as the real one may:
# that part is argued in shm/layout.h.)
#	arm64.sh SRCDIR [SECONDS of stress]
src=${1:-.}
seconds=${2:-10}
: "${ARM_CC:=aarch64-linux-gnu-gcc}"
# named differently by different releases
[ -n "${ARM_RUN-}" ] || ARM_RUN=$(command -v qemu-aarch64-static ||
    echo qemu-aarch64)
for tool in "$ARM_CC" "$ARM_RUN"; do
	command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 1; }
done
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
bad=0

# make PROGRAM SOURCE...
make() {
	out=$dir/$1
	shift
	wrap=$(sed -n 's/^__wrap_\([a-z_]*\)(.*/-Wl,--wrap=\1/p' "$1")
	$ARM_CC -static -std=gnu17 -D_GNU_SOURCE -O2 -DSHM_HOOKS $wrap \
	    -I"$src/tests/shm/plain" -I"$src/src" -I"$src/workers" -I"$src" \
	    -I"$src/tests/lib" -I"$src/tests/shm" -pthread -o "$out" "$@" \
	    "$src"/tests/shm/verify.c "$src"/shm/*.c "$src"/src/base/bug.c \
	    "$src"/src/base/hash.c "$src"/src/base/buf.c "$src"/src/base/state.c \
	    "$src"/src/base/reason.c || exit 2
}
# run PAGE PROGRAM ARGUMENTS...
run() {
	page=$1
	program=$2
	shift 2
	if "$ARM_RUN" -p "$page" "$dir/$program" "$@" >"$dir/out" 2>&1; then
		echo "pages of $page: $program: $(tail -n 1 "$dir/out")"
	else
		echo "pages of $page: $program: FAILED"
		tail -n 20 "$dir/out"
		bad=1
	fi
}

# what is not hooked by a test itself has a hook that does nothing
echo '#include "shm/hook.h"
void shm_hook(void) { }' >"$dir/nohook.c"
unit='segment slots interest presence bucket once counters table table_full
count contention damage table_relay sweep spill
heir evict revoked'
for t in $unit; do
	if grep -qE '^shm_hook|"world.h"' "$src/tests/unit/test_$t.c"; then
		make "$t" "$src/tests/unit/test_$t.c"
	else
		make "$t" "$src/tests/unit/test_$t.c" "$dir/nohook.c"
	fi
done
make stress "$src/tests/shm/stress.c"
make stress_count "$src/tests/shm/stress_count.c"
make threads "$src/tests/shm/threads.c" "$dir/nohook.c"
for page in 4096 65536; do
	for t in $unit; do
		run $page "$t"
	done
	run $page stress --seconds "$seconds"
	run $page stress_count --seconds "$seconds"
	run $page threads "$seconds"
done
exit $bad
