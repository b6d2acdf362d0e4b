#!/bin/sh
# Builds and runs threads.c under ThreadSanitizer.
#	tsan.sh SRCDIR [SECONDS]
src=${1:-.}
: "${CC:=cc}"
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
$CC -std=gnu17 -D_GNU_SOURCE -O1 -g -fsanitize=thread -I"$src/src" \
    -I"$src" -I"$src/tests/shm" -pthread -o "$dir/threads" \
    "$src"/tests/shm/threads.c "$src"/tests/shm/verify.c "$src"/shm/*.c \
    "$src"/src/base/bug.c "$src"/src/base/hash.c "$src"/src/base/buf.c "$src"/src/base/state.c \
    "$src"/src/base/reason.c ${BSD_LIBS:--lbsd} || exit 2
TSAN_OPTIONS="halt_on_error=0:$TSAN_OPTIONS" "$dir/threads" "${2:-10}"
