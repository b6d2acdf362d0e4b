#!/bin/sh
# Who may include whom: the picture of the README, which tests/lint/floors
# holds as a table.
#
# usage: includes.sh [TOP]
set -eu
cd "${1:-.}"

# a library has one home
homes() {
	cat <<'EOF'
openssl/	src/base/key/certificate.c src/base/key/identity.c src/base/key/ocsp.c src/base/digest.c src/base/key/pkey.c src/base/key/pkey_int.h src/base/key/pkey_read.c workers/relay/redis/secure.c workers/worker/net/subject.c workers/worker/net/tls.c workers/worker/net/tls_ctx.c workers/worker/net/tls_int.h
wslay/		src/proto/ws_slow.c
jwt.h		src/proto/token.c
jansson.h	src/proto/token.c src/proto/jwk.c
zlib.h		src/base/press.c src/base/press_message.c
hiredis/	workers/relay/redis/reply.c
curl/		workers/relay/hooks/target_int.h
sys/epoll.h	src/sys/loop_epoll.c
sys/signalfd.h	src/sys/plat_linux.c
sys/prctl.h	src/sys/plat_linux.c
seccomp.h	src/master/confine/confine.c
linux/		src/sys/plat_linux.c src/sys/plat_socket.c src/sys/plat_tcp.c src/master/confine/calls.c
EOF
}

# what the table names is there; config.h is configure's
gone=0
for name in $(sed -E '/^(#|calls|order)/d' tests/lint/floors); do
	[ -e "$name" ] || [ -e "src/$name" ] || [ -e "workers/$name" ] ||
	    [ "$name" = config.h ] || {
		echo "tests/lint/floors: there is no $name"
		gone=1
	}
done
[ "$gone" -eq 0 ] || exit 1

find src shm workers man -name '*.[ch]' | sort | xargs grep -n '^#[ 	]*include' |
sed -E 's/^([^:]*):([0-9]*):#[ \t]*include[ \t]*([<"])([^>"]*)[>"].*/\1 \2 \3 \4/' |
awk -v floors="$(grep -vE '^(#|calls|order|$)' tests/lint/floors)" \
    -v orders="$(grep '^order' tests/lint/floors)" \
    -v stems="$(find src shm workers -name '*_int.h')" -v homes="$(homes)" '
BEGIN {
	n = split(floors, row, "\n")
	for (i = 1; i <= n; i++) {
		m = split(row[i], f, /[ \t]+/)
		for (j = 2; j <= m; j++)
			may[f[1], f[j]] = 1
		known[f[1]] = 1
	}
	n = split(stems, row, "\n")
	for (i = 1; i <= n; i++) {
		sub(/^(src|workers)\//, "", row[i])
		sub(/_int\.h$/, "", row[i])
		stem[row[i]] = 1
	}
	n = split(orders, row, "\n")
	for (i = 1; i <= n; i++) {
		m = split(row[i], f, /[ \t]+/)
		for (j = 3; j <= m; j++)
			place[f[2] "/" f[j]] = ++places
		ordered[f[2]] = 1
	}
	n = split(homes, row, "\n")
	for (i = 1; i <= n; i++) {
		m = split(row[i], f, /[ \t]+/)
		lib[i] = f[1]
		for (j = 2; j <= m; j++)
			home[f[1], f[j]] = 1
	}
	nlib = n
}
function concept(path,	s)
{
	sub(/\.[a-z]*$/, "", path)
	for (s in stem)
		if (path == s || index(path, s "_") == 1)
			return s
	return path
}
{
	file = $1; line = $2; kind = $3; what = $4
	files[file] = 1
	count++
	if (kind == "<") {
		for (i = 1; i <= nlib; i++) {
			if (index(what, lib[i]) == 1 && !((lib[i], file) in home)) {
				printf "%s:%s: <%s> has another home\n", file, line, what
				bad++
			}
		}
		next
	}
	who = file
	sub(/^(src|workers)\//, "", who)
	own = who
	sub(/\/?[^\/]*$/, "", own)
	if (!(who in known))
		who = own
	if (!(who in known)) {
		printf "%s:%s: %s is not in the table\n", file, line, who
		bad++
		next
	}
	folder = what
	if (!sub(/\/[^\/]*$/, "", folder))
		folder = what
	if (own in ordered) {
		name = file
		sub(/^(src|workers)\//, "", name)
		name = concept(name)
		if (!(name in place)) {
			printf "%s: %s has no place in the order\n", file, name
			bad++
		} else if (folder == own && (concept(what) in place) &&
		    place[concept(what)] > place[name]) {
			printf "%s:%s: \"%s\" stands above it\n", file, line,
			    what
			bad++
		}
	}
	if (folder != own && !((who, folder) in may) && !((who, what) in may)) {
		printf "%s:%s: %s may not include \"%s\"\n", file, line, who, what
		bad++
	}
}
END {
	for (who in files)
		nfiles++
	if (count == 0) {
		print "includes: nothing found"
		exit 1
	}
	printf "includes: %d in %d files, %d wrong\n", count, nfiles, bad
	exit bad > 0
}'
