#!/bin/bash
# pprof.sh -- go tool pprof reads the profiles that weir report makes of a real run, and they name the right function.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs golang-go go

weir=${TEST_WEIR:?the command}
check "a program that loses buffers can be built" "${TEST_CC:-cc}" -g -O2 -o "$TMP/leaker" "$here/leaker.c" || finish
check "it runs under Weir" under env WEIR_DUMP="$TMP/leaker.%n" WEIR_DUMP_FORMAT=json WEIR_TIME_SCALE=200 \
	WEIR_MONITOR_INTERVAL=100ms "$TMP/leaker" || finish
check "its heap becomes a profile" "$weir" report --pprof "$TMP/heap.pb.gz" "$TMP/leaker.1.json"
check "its lifetimes become a profile" "$weir" report --pprof-lifetimes "$TMP/lifetimes.pb.gz" "$TMP/leaker.1.json"

# pprof shows what the profile says: it is kept from looking for symbols by itself.
pprof()
{
	plain env HOME="$TMP" PPROF_TMPDIR="$TMP" GOTOOLCHAIN=local go tool pprof -symbolize=none "$@" 2>"$TMP/pprof.err"
}
# top SAMPLE_INDEX PROFILE: the functions, most first
top()
{
	pprof -top -nodecount=20 -sample_index="$1" "$2" | awk '/flat%/ { rows = 1; next } rows { print $NF }'
}
same "what is in use is what was lost" lose_frame "$(top inuse_space "$TMP/heap.pb.gz" | head -n 1)"
same "most objects passed through" pass_frame "$(top alloc_objects "$TMP/heap.pb.gz" | head -n 1)"
same "most that is alive still was lost" lose_frame "$(top censored_allocated_space "$TMP/lifetimes.pb.gz" | head -n 1)"
same "most that was freed had passed through" pass_frame "$(top deallocated_objects "$TMP/lifetimes.pb.gz" | head -n 1)"

pprof -raw "$TMP/heap.pb.gz" >"$TMP/raw"
# Where allocations come too fast for every stack to be unwound, those that are stand for the others.
estimate=$(awk '/^Samples:/ { samples = 1 } /^Locations/ { samples = 0 }
	samples && $1 > 150 && $1 < 1500 { bytes = $2 + 0; if (bytes / $1 > 190000 && bytes / $1 < 210000) print $1 }' "$TMP/raw")
note "lost: 500 buffers, as estimated: $estimate"
check "500 lost buffers of 200,000 bytes are estimated within a factor of three" test -n "$estimate"
check "stacks have files and lines" grep -q 'lose_frame .*leaker\.c:[0-9]' "$TMP/raw"
build_id=$(readelf -n "$TMP/leaker" | sed -n 's/.*Build ID: //p')
check "mappings have build-ids" grep -Eq "^[0-9]+: 0x[0-9a-f]+/0x[0-9a-f]+/0x[0-9a-f]+ $TMP/leaker $build_id" "$TMP/raw"
check "samples have their site as a label" grep -q 'site:\[0x[0-9a-f]*\]' "$TMP/raw"
pprof -tagfocus=reason=. -raw "$TMP/heap.pb.gz" >"$TMP/focus"
check "samples can be chosen by a label" grep -q '^Samples:' "$TMP/focus"

# 32 sites are listed, and a program may have thousands.
python3 "$here/../cli/make_dump.py" >"$TMP/made.json"
check "a dump that does not list all sites becomes a profile" \
	"$weir" report --no-symbols --pprof "$TMP/made.pb.gz" "$TMP/made.json"
pprof -top -nodefraction=0 -sample_index=alloc_objects "$TMP/made.pb.gz" >"$TMP/made.top"
check "what the sites hold that it does not list is in it" grep -Eq '^ +5000 .* \[not listed\]$' "$TMP/made.top"

"$weir" report --no-symbols "$TMP/leaker.1.json" >"$TMP/report" 2>&1
check "weir report of it begins with a verdict" grep -qE '^(It leaks|It may be leaking|A leak or a store|Hardly a sign|No sign of a leak|Too (early|little))' "$TMP/report"
"$weir" report --folded "$TMP/leaker.1.json" >"$TMP/folded" 2>&1
check "folded stacks have it too" grep -qE 'main;lose_frame [0-9]{8,9}$' "$TMP/folded"
finish
