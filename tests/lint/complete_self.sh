#!/bin/sh
# complete.py sees what it is there for: it fails on a copy of the tree in which
# a name is missing in each kind of list, and in which there is one too many; and
# when the code has another one.  So does tables.sh, for what is printed.
#
# usage: complete_self.sh [TOP] [BUILD]
set -eu
top=$(cd "${1:-.}" && pwd)
build=$(cd "${2:-.}" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R "$top/src" "$top/shm" "$top/workers" "$top/man" "$copy"
mkdir "$copy/packaging"
cp -R "$top/packaging/openapi" "$copy/packaging"
api=packaging/openapi/roostd.yaml

check() {
	python3 "$top/tests/lint/complete.py" "$copy" >"$copy/out" 2>&1
}
# fails WORDS: it does, and says this
fails() {
	if check; then
		echo "complete: passes without: $1"
		exit 1
	fi
	if ! grep -qF "$1" "$copy/out"; then
		cat "$copy/out"
		echo "complete: fails for another reason than: $1"
		exit 1
	fi
}
# lacks PAGE NAME: a line of the page, which begins so, is taken out
lacks() {
	awk -v line="$2" '!done && index($0, line) == 1 { done = 1; next }
	    { print }' "$top/man/$1" >"$copy/man/$1"
	fails "$1: no $3"
	cp "$top/man/$1" "$copy/man/$1"
}
# invents PAGE KIND ITEM WORDS: a list has one more
invents() {
	awk -v kind=".\\\\\" every $2" -v item="$3" '{ print }
	    $0 == kind { due = 1 }
	    due && /^\.Bl/ { print item; print "words"; due = 0 }' \
	    "$top/man/$1" >"$copy/man/$1"
	fails "$1: there is no such $2: $4"
	cp "$top/man/$1" "$copy/man/$1"
}
# printed PAGE LINE: a line of a table that is printed is taken out
printed() {
	awk -v line="$2" '!done && index($0, line) == 1 { done = 1; next }
	    { print }' "$top/man/$1" >"$copy/man/$1"
	if cmp -s "$top/man/$1" "$copy/man/$1" ||
	    (cd "$build" && srcdir="$copy" sh "$top/tests/lint/tables.sh") \
	    >"$copy/out" 2>&1; then
		echo "complete: tables.sh passes without: $1: $2"
		exit 1
	fi
	cp "$top/man/$1" "$copy/man/$1"
}
# has FILE LINE WORDS: the code has one more
has() {
	cp "$top/$1" "$copy/kept"
	printf '%s\n' "$2" >>"$copy/$1"
	fails "$3"
	cp "$copy/kept" "$copy/$1"
}

check || { cat "$copy/out"; exit 1; }
lacks roost-log.7 '.It Li child_died' 'event of the log: child_died warn'
lacks roostd.8 '.It Dv HUP' 'signal: HUP'
lacks roost.7 '.It Dv USR2' 'signal: USR2'
lacks roostd.8 '.It Fl o' 'option: -o'
lacks roostd.8 '.It Li version' 'kind of refusal: version'
lacks roostd.8 '.It Li rtt_us' 'key of a record: rtt_us'
lacks roostd.8 '.It 73' 'exit status: 73'
lacks roostd.8 '.It Ev JOURNAL' 'variable: JOURNAL_STREAM'
lacks roostctl.8 '.It Fl k' 'option: -k'
lacks roostctl.8 '.It Cm reopen' 'command: reopen'
lacks roostctl.8 '.It 78' 'exit status: 78'
lacks roostctl.8 '.It Ev JWT' 'variable: JWT_SECRET'
lacks rooststat.1 '.It Fl j' 'option: -j'
lacks rooststat.1 '.It 69' 'exit status: 69'
lacks rooststat.1 '.It Ev TERM' 'variable: TERM'
lacks rooststat.1 '.It Ic z' 'key: z'
lacks rooststat.1 '.It fds' 'column: fds'
lacks roost-protocol.7 '.It Pa /livez' 'path: /livez'
lacks roost-protocol.7 '.It Li room:leave' 'event of a client: room:leave'
lacks roost-protocol.7 '.It Li room:left' 'event of the server: room:left'
lacks roost-protocol.7 '.It Li not_member' 'refusal of an event: not_member'
lacks roost-protocol.7 '.It Li misdirected' 'refusal of HTTP: misdirected'
lacks roost-protocol.7 '.It 3' 'refusal of Engine.IO: 3'
sed '/every refusal of a namespace/,/^\.El/ { /^\.It Li limit/d; }' \
    "$top/man/roost-protocol.7" >"$copy/man/roost-protocol.7"
fails 'no refusal of a namespace: limit'
cp "$top/man/roost-protocol.7" "$copy/man/roost-protocol.7"

sed 's/\[-r room\] namespace \[user\]/[-x] &/' \
    "$top/src/tools/roostctl/roostctl.c" >"$copy/src/tools/roostctl/roostctl.c"
fails 'no command: presence r x'
cp "$top/src/tools/roostctl/roostctl.c" "$copy/src/tools/roostctl"
sed 's/^.Li child_died Pq warn/& , info/; s/\(child_died Pq\) warn/\1 info/' \
    "$top/man/roost-log.7" >"$copy/man/roost-log.7"
fails 'there is no such event of the log: child_died info'
cp "$top/man/roost-log.7" "$copy/man/roost-log.7"

# edits SED WORDS: of the OpenAPI file
edits() {
	sed "$1" "$top/$api" >"$copy/$api"
	fails "$2"
	cp "$top/$api" "$copy/$api"
}
edits 's|^  /api/v1/stats:|  /api/v1/lint:|' 'no operation: GET /api/v1/stats'
edits 's|^  /api/v1/stats:|  /api/v1/lint:|' \
    'there is no such operation: GET /api/v1/lint'
edits 's/misdirected, limit, /limit, /' 'no code of an error: misdirected'
sed 's|{ "/api/v1/stats",|{ "/api/v1/lint",|' \
    "$top/workers/worker/http/route.c" >"$copy/workers/worker/http/route.c"
fails 'no operation: GET /api/v1/lint'
sed 's|\[ROUTE_STATS\] = {|[ROUTE_LINT] = {|' \
    "$top/workers/worker/worker.c" >"$copy/workers/worker/worker.c"
fails 'which paths has ROUTE_LINT'
cp "$top/workers/worker/worker.c" "$copy/workers/worker"
cp "$top/workers/worker/http/route.c" "$copy/workers/worker/http"

invents roost-log.7 'event of the log' '.It Li lint_gone Pq info' 'lint_gone info'
invents roostd.8 signal '.It Dv STOP' STOP
invents roostd.8 option '.It Fl z' -z
invents roostd.8 'exit status' '.It 72' 72
invents roostd.8 variable '.It Ev LINT' LINT
invents roostctl.8 command '.It Cm lint' lint
invents rooststat.1 key '.It Ic x' x
invents rooststat.1 column '.It lint' lint
invents roost-protocol.7 path '.It Pa /lint' /lint
invents roost-protocol.7 'event of a client' '.It Li room:lint' room:lint
invents roost-protocol.7 'event of the server' '.It Li room:lint' room:lint
invents roost-protocol.7 'refusal of an event' '.It Li lint' lint
invents roost-protocol.7 'refusal of a namespace' '.It Li lint' lint
invents roost-protocol.7 'refusal of HTTP' '.It Li lint' lint
invents roost-protocol.7 'refusal of Engine.IO' '.It 6' 6

has workers/worker/leave.c 'void f(void) { log_warnx(on ? "lint_on at=%d" : "lint_off"); }' \
    'no event of the log: lint_off warn'
has src/sys/plat_linux.c 'void f(void) { x = getenv("LINT_HOME"); }' \
    'no variable: LINT_HOME'
has src/master/pidfile.c 'int f(void) { return (EX_NOHOST); }' \
    'no exit status: 68'
has workers/worker/http/cors.c 'void f(void) { reply_error(rq, 402, "lint", "w"); }' \
    'no refusal of HTTP: lint'
(cd "$build" && srcdir="$copy" sh "$top/tests/lint/tables.sh")
printed roost.conf.5 '.It Ic drain_delay Ta'
printed roost.conf.5 '.It Ic drain_delay'
printed roost.conf.5 '.Ic publish_ids'
printed roost-stats.5 '.It Li "bytes_in"'
printed roost-stats.5 '.It Li "ns_users"'
printed roost-stats.5 '.It Li slow_consumer Ta'
printed roost-protocol.7 '.It Li not_yet_valid'
echo 'complete: sees what is missing, and what is too much'
