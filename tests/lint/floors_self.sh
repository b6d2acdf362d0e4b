#!/bin/sh
# The two checks of the picture see what they are there for: each fails on a
# copy of the tree with one forbidden arrow in it, at each level.
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
		bad "$1 passes, and should say: $2"
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

# an object in the copy: what the file of this name has got by now
object() {
	printf '%s\n' "$2" >"$copy/lint.c"
	[ -f "$copy/$1.c" ] || : >"$copy/$1.c"
	${CC:-cc} -c -o "$copy/objects/$1.o" "$copy/lint.c"
}
# arrow FILE HEADER CALL [WHY]: neither may this file of ours include that
# header, nor its object call what that one declares
arrow() {
	local name=${1#*/} above=${2%.h}
	case $1 in shm/*) name=$1 ;; esac
	cp "$top/$1" "$copy/kept"
	echo "#include \"$2\"" >>"$copy/$1"
	wanted includes.sh "$1:[0-9]*:.*\"$2\"${4-}\$"
	mv "$copy/kept" "$copy/$1"

	cp "$copy/objects/${1%.*}.o" "$copy/kept" 2>/dev/null || :
	object "${1%.*}" "void $3(void); void lint(void) { $3(); }"
	wanted symbols.sh "${name%.*} .*may not call \($above: \)*$3"
	rm -f "$copy/objects/${1%.*}.o"
	[ ! -f "$copy/kept" ] || mv "$copy/kept" "$copy/objects/${1%.*}.o"
	[ -f "$top/${1%.*}.c" ] || rm "$copy/${1%.*}.c"
}
sh "$top/tests/lint/includes.sh" "$copy" >/dev/null &&
    sh "$top/tests/lint/symbols.sh" "$copy" "$copy/objects" >/dev/null ||
	bad 'a copy without a forbidden arrow fails'

# one of each level
arrow src/base/hash.c sys/log.h log_close
arrow src/conf/find.c conf/read/parse.h conf_parse
arrow src/conf/value/word.c conf/rule/check.h conf_set_checks
arrow shm/layout.h shm/presence.h presence_open ' stands above it'
arrow workers/hub/queue/out.c hub/audience/room.h room_join
arrow workers/hub/session/session.c hub/rule/rule.h rule_event
arrow workers/hub/rule/rule.c hub/service/service.h service_event
arrow workers/hub/audience/room.c worker/net/conn.h conn_close
arrow workers/worker/net/conn.c worker/http/reply.h reply_hold
arrow workers/worker/websocket/frames.c worker/endpoint/api.h api_head
arrow workers/worker/endpoint/status.c hub/audience/room.h room_join
arrow workers/relay/local/peer.c relay/local/feed.h feed_read ' stands above it'
arrow workers/relay/redis/commands.c relay/bridge/hosts.h hosts_new

# the worker includes the hub's face, not what is behind it
echo '#include "hub/hub_int.h"' >>"$copy/workers/worker/worker.c"
wanted includes.sh 'worker.c:.*may not include "hub/hub_int.h"'
cp "$top/workers/worker/worker.c" "$copy/workers/worker"

# a circle between two files of one folder
object workers/hub/work 'void b_lint(void); void a_lint(void) { b_lint(); }'
object workers/hub/lint 'void a_lint(void); void b_lint(void) { a_lint(); }'
wanted symbols.sh 'hub/work stands in a circle with hub/lint'
echo 'floors: both checks see a forbidden arrow at each level, and a new circle'
