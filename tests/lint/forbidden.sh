#!/bin/sh
# Calls that stay out of the code, and marks of unfinished work.
#
# usage: forbidden.sh [TOP]
set -eu
cd "${1:-.}"

# calls without bounds or without errors, and what to use instead
calls='sprintf:snprintf vsprintf:vsnprintf strcpy:strlcpy strcat:strlcat
strncpy:strlcpy strncat:strlcat gets:getline atoi:strtonum atol:strtonum
atoll:strtonum atof:strtod strtok:slices rand:plat_random srand:plat_random
alloca:malloc mktemp:mkstemp tmpnam:mkstemp system:execve popen:execve'

bad=0
files=$(find src shm workers man tests/unit tests/fuzz tests/shm tests/storm tests/lib \
    -name '*.[ch]' 2>/dev/null | sort)
for c in $calls; do
	name=${c%%:*}
	if grep -nE "(^|[^A-Za-z0-9_>.\"])$name[ ]?\(" $files /dev/null |
	    grep -vE ':[0-9]+:[ 	]*(\*|/\*)'; then
		echo "^ $name: use ${c#*:}"
		bad=$((bad + 1))
	fi
done
if grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $files /dev/null; then
	echo '^ unfinished'
	bad=$((bad + 1))
fi
if grep -nE '[ 	]+$' $files /dev/null | head -20 | grep .; then
	echo '^ blanks at the end of a line'
	bad=$((bad + 1))
fi
# files speak of the project only, not of a machine it was written on
if grep -rnE '/(work|tmp)/[a-z]' $files /dev/null | grep -v '"/tmp' | grep .; then
	echo '^ a path of somebody'"'"'s machine'
	bad=$((bad + 1))
fi
echo "forbidden: $(echo "$files" | wc -l) files, $bad wrong"
[ "$bad" -eq 0 ]
