#!/bin/sh
# hand.sh sees what it is there for: it fails on a copy of the tree with each
# thing written in the other way, and with a file put off that need not be.
#
# usage: hand_self.sh [TOP]
set -eu
top=$(cd "${1:-.}" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
file=$copy/src/a/lint.c

check() {
	sh "$top/tests/lint/hand.sh" "$copy" >"$copy/out" 2>&1
}
# wanted CODE LINE-OF-ITS-OUTPUT: with CODE in the tree the check says this
wanted() {
	good
	printf '\t%s\n' "$1" >>"$file"
	if check; then
		echo "hand: passes with $1"
		exit 1
	fi
	grep -q "$2" "$copy/out" || {
		cat "$copy/out"
		echo 'hand: fails for another reason'
		exit 1
	}
}
good() {
	cat >"$file" <<'EOF'
	memset(p, 0, sizeof *p);
	n = sizeof(struct p) + sizeof(unsigned char);
	for (i = 0; i < n; i++)
		log_warnx("lint_event key=%s why=\"two words\" n=%"
		    PRIu64, s, n);
	fatalx(EX_OK, "lint_end");
	log_info(on ? "lint_on at=%d" :
	    "lint_off at=%d", at);
EOF
}

mkdir -p "$copy/tests/lint" "$copy/src/a" "$copy/shm" "$copy/workers" \
    "$copy/man"
: >"$copy/tests/lint/hand"
good
check || {
	cat "$copy/out"
	exit 1
}
wanted 'memset(p, 0, sizeof(*p));' 'lint.c:9: sizeof of a thing'
wanted 'n = sizeof (struct p);' 'lint.c:9: sizeof(type)'
wanted 'for (size_t i = 0; i < n; i++)' 'lint.c:9: a loop variable'
wanted 'log_info("two words key=%s", s);' '"two words key=%s" is not'
wanted 'log_info("lint: %s", s);' '"lint: %s" is not'
wanted 'log_info(on ? "lint on" : "lint_off");' '"lint on" is not'
wanted 'fatalx(EX_OK, "lint key=two words");' '"lint key=two words" is not'
echo lint.c >"$copy/tests/lint/hand"
check
good
if check; then
	echo 'hand: does not say that lint.c keeps to it'
	exit 1
fi
echo 'hand: sees what is written in the other way'
