#!/bin/sh
# wire.sh sees what it is there for: it fails on a copy of the tree with one
# literal in it that is a codec's, and passes when a codec has it.
#
# usage: wire_self.sh [TOP]
set -eu
top=$(cd "${1:-.}" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
n=0

check() { sh "$top/tests/lint/wire.sh" "$copy" >"$copy/out" 2>&1; }
# wanted WHAT LINE: with this line of code the check fails, and says this
wanted() {
	printf '/* "42", a packet */\n%s\n' "$2" >"$copy/workers/a.c"
	if check || ! grep -q "^^ $1" "$copy/out" ||
	    ! grep -q 'workers/a.c:2:' "$copy/out"; then
		cat "$copy/out"
		echo "wire: does not see: $2"
		exit 1
	fi
	mv "$copy/workers/a.c" "$copy/src/proto/a.c"
	check || {
		cat "$copy/out"
		echo 'wire: a codec may'
		exit 1
	}
	rm "$copy/src/proto/a.c"
	n=$((n + 1))
}

mkdir -p "$copy/src/proto" "$copy/shm" "$copy/workers" "$copy/man"
printf 'f(rq, "400 Bad Request", "404", 41 - '"'0'"');\n' >"$copy/workers/ok.c"
check || {
	cat "$copy/out"
	exit 1
}
wanted 'a Socket.IO packet' '	buf_str(b, "42");'
wanted 'a Socket.IO packet' '	buf_str(b, "45-");'
wanted 'a Socket.IO packet' '	x = "40/chat,";'
wanted 'an Engine.IO packet' '	say(SLICE("5"));'
wanted 'a probe' '	say(SLICE("2probe"));'
wanted 'the head of a frame' '	x = "\x81\x06" "3probe";'
wanted 'the head of a frame' '	static const uint8_t ping[] = { 0x89, 0x00 };'
wanted "Engine.IO's separator" '	end = memchr(p, 0x1e, n);'
wanted "Engine.IO's separator" '	word = SLICE("\x1e");'
wanted 'the type of a packet' "	if (text.p[0] != '4')"
wanted 'the type of a packet' "	*out++ = '2';"
wanted 'the type of a packet' "	return (p[0] == 'b');"
echo "wire: sees $n ways to write a packet by hand"
