#!/bin/sh
# No folder of sources holds more concepts than can be kept in mind: about 15.
# A concept is a .c with its header; files of one stem that share a STEM_int.h
# are one.
#
# usage: folders.sh [TOP]
set -eu
cd "${1:-.}"

{
	find src shm workers -name '*_int.h' | sed 's/^/stem /'
	find src shm workers -name '*.c' | sed 's/^/file /'
} | awk '
$1 == "stem" {
	sub(/_int\.h$/, "", $2)
	stem[$2] = 1
}
$1 == "file" {
	name = $2
	sub(/\.c$/, "", name)
	for (s in stem)
		if (index(name, s "_") == 1)
			name = s
	folder = $2
	sub(/\/[^\/]*$/, "", folder)
	if (!((folder, name) in seen))
		holds[folder]++
	seen[folder, name] = 1
}
END {
	for (f in holds) {
		folders++
		if (holds[f] > 16) {
			printf "%s holds %d concepts, more than 16\n", f,
			    holds[f]
			bad++
		}
	}
	if (folders == 0) {
		print "folders: nothing found"
		exit 1
	}
	printf "folders: %d, %d wrong\n", folders, bad
	exit bad > 0
}'
