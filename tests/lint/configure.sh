#!/bin/sh
# What configure says to somebody who lacks things: all of it at once, and the
# same as README.md and packaging/quickstart; why it refuses 32 bits.
# usage: tests/lint/configure.sh TOP	(configure must be there)
set -u
top=$(cd "$1" && pwd)
bad=0
fail() {
	echo "configure.sh: $*"
	bad=1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# no library is found, and no header: the compiler is kept away from them
mkdir none
PKG_CONFIG=$work/none/pkg-config ac_cv_header_wslay_wslay_h=no \
    "$top/configure" >out 2>&1 && fail 'configured without any library'
sed -n 's/.*apt-get install //p' out | tr ' ' '\n' | grep . >debian
sed -n 's/.*dnf install //p' out | tr ' ' '\n' | grep . >fedora
[ "$(wc -l <debian)" -ge 8 ] || fail "names too few: $(cat debian)"
[ "$(wc -l <debian)" -eq "$(wc -l <fedora)" ] || fail 'not the same for both'
for list in debian fedora; do
	sed -n "/^$list='/,/'\$/p" "$top/packaging/quickstart" |
	    tr " '" '\n\n' >quickstart
	while read -r p; do
		grep -qx -- "$p" quickstart ||
		    fail "packaging/quickstart does not install $p"
	done <$list
done
# README: what quickstart installs is what a reader is told to install
sed -n "/^debian='/,/'\$/p" "$top/packaging/quickstart" |
    sed "s/^debian='//; s/'\$//" | tr ' ' '\n' | grep . >quickstart
sed -n '/^apt-get install/,/[^\\]$/p' "$top/README.md" | tr -d '\\' |
    tr ' \t' '\n\n' | grep . >readme
while read -r p; do
	case $p in openssl | curl) continue ;; esac	# for trying, not building
	grep -qx -- "$p" readme || fail "README.md does not name $p"
done <quickstart

for flag in -m32 -mx32; do
	"$top/configure" CFLAGS="-O2 $flag" >out 2>&1 &&
	    fail "configured with $flag"
	grep -q '64-bit' out || fail "$flag: no reason: $(tail -n 2 out)"
done
exit $bad
