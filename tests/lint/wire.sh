#!/bin/sh
# How packets and frames are written is known to src/proto alone: nobody else
# has one as a literal, or takes one apart by its characters.  (MessagePack is
# of the relay's bridge, a codec as well: its bytes look like these.)
#
# usage: wire.sh [TOP]
set -eu
cd "${1:-.}"

bad=0
# sources WHERE...: those of ours that are not the codecs'
sources() {
	find "$@" -name '*.[ch]' ! -path 'src/proto/*' \
	    ! -path 'workers/relay/bridge/msgpack*' 2>/dev/null | sort
}
# none WHAT PATTERN FILES: no line of code has it; comments may, and what is
# asked for in a query is no packet
none() {
	local what=$1 pattern=$2
	shift 2
	if grep -nE "$pattern" "$@" /dev/null |
	    grep -vE ':[0-9]+:[ 	]*(\*([ 	/]|$)|/\*)|_query_is\('; then
		echo "^ $what"
		bad=$((bad + 1))
	fi
}
all=$(sources src shm workers man)
workers=$(sources workers)
# (to Redis, the relay says numbers in digits, too)
engine=$(sources workers | grep -v '^workers/relay/')
# with Engine.IO's digit in front, as sio.h encodes them
none 'a Socket.IO packet: proto/sio.h' '"4[0-6]("|-|\[|\{|/|\\)' $all
none 'an Engine.IO packet: proto/eio.h' '"[0-6](probe|\\x1e)?"' $engine
none 'a probe: proto/eio.h' '"[23]probe' $all
none "Engine.IO's separator: proto/eio.h" '\\x1e|0x1[eE]\b|\\036' $workers
none 'the head of a frame: proto/ws.h' '\\x8[0-9a-fA-F]|0x8[0-9aA]\b' $workers
none 'the type of a packet: proto/eio.h, sio.h' \
    "(==|!=|[^<>=]=) '[0-6]'|case '[0-6b]'|\\[[0-9]\\] [!=]= 'b'" $workers
echo "wire: $(echo "$all" | wc -l) files, $bad wrong"
[ "$bad" -eq 0 ]
