#!/bin/sh
# After `make install`: everything is there, and what is there runs.  By
# `make installcheck`, which `make distcheck` calls.
set -eu
fail() {
	echo "installed.sh: $*" >&2
	exit 1
}

for f in "$confdir/roost.conf" "$exampledir/roost.conf" \
    "$exampledir/demo.conf" "$exampledir/classroom.conf" \
    "$exampledir/learning.conf" "$exampledir/matters.conf" \
    "$exampledir/media.conf" \
    "$exampledir/social.conf" "$pagedir/demo.html" \
    "$openapidir/roostd.yaml" \
    "$unitdir/roostd.service" "$prefix/lib/tmpfiles.d/roost.conf" \
    "$prefix/lib/sysusers.d/roost.conf" \
    "$prefix/share/bash-completion/completions/roostctl" \
    "$prefix/libexec/roost/upgrade-running"; do
	[ -s "$f" ] || fail "$f is missing"
done
grep -q "^ExecStart=$sbindir/roostd -f -c $confdir/roost.conf" \
    "$unitdir/roostd.service" || fail 'the unit starts something else'
grep -qE '^Type=notify(-reload)?$' "$unitdir/roostd.service" ||
    fail 'the unit has no type'
! grep '%[a-z]*%' "$unitdir/roostd.service" || fail 'not filled in'

JWT_SECRET=0123456789abcdef0123456789abcdef
ROOST_DEMO_SECRET=$JWT_SECRET
ROOST_API_SHA256=$JWT_SECRET$JWT_SECRET
ROOST_DEMO_API_SHA256=$ROOST_API_SHA256
REDIS_URL=redis://127.0.0.1
export REDIS_URL JWT_SECRET ROOST_DEMO_SECRET ROOST_API_SHA256 ROOST_DEMO_API_SHA256
# the file that is read by default, and the page that the example names
"$sbindir/roostd" -t
for f in "$exampledir"/*.conf; do
	"$sbindir/roostd" -t -c "$f"
done
"$sbindir/roostd" -h | grep -q "$exampledir" || fail '-h names no examples'
"$bindir/rooststat" -h >/dev/null
"$sbindir/roostctl" -h >/dev/null

# an administrator's configuration survives the next installation
echo '# mine' >>"$confdir/roost.conf"
"${MAKE:-make}" -s install-data-local >/dev/null
tail -n 1 "$confdir/roost.conf" | grep -q '^# mine$' ||
    fail 'roost.conf was overwritten'
cp "$exampledir/roost.conf" "$confdir/roost.conf"
