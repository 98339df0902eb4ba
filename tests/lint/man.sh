#!/bin/bash
# man.sh -- the man pages are good mdoc.
. "$(dirname "$0")/common.sh"
need mandoc

found=no
for page in man/*.[1-9] "$build_dir"/man/*.[1-9]; do
	[ -e "$page" ] || continue
	found=yes
	quiet "mandoc finds nothing in ${page##*/}" mandoc -Tlint -W style "$page"
done
if [ $found = no ]; then
	not_ok "there are man pages"
fi
plan
