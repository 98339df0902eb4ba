#!/bin/bash
# installcheck.sh BINDIR LIBDIR -- what make install has put there works from there.
set -euo pipefail

bindir=$1 libdir=$2
object=$libdir/libweir-preload.so

fail()
{
	echo "installcheck: $*" >&2
	exit 1
}

[ -f "$object" ] || fail "no $object"
[ -x "$bindir/weir" ] || fail "no $bindir/weir"
stray=$(find "$libdir" -maxdepth 1 \( -name 'libweir-preload.*' -o -name 'lib*.a' -newer "$object" \) \
	! -name libweir-preload.so)
[ -z "$stray" ] || fail "installed beside the object: $stray"

readelf -d "$object" | grep -q 'NEEDED.*libjemalloc\.so\.2' || fail "$object does not need libjemalloc.so.2"
readelf -d "$object" | grep -qE 'FLAGS.*\bNOW\b' || fail "$object is not bound at load time"
if readelf -d "$object" | grep -q TEXTREL; then
	fail "$object has text relocations"
fi

said=$(LD_PRELOAD=$object cat /proc/self/maps 2>&1 >/dev/null) || fail "cat fails under $object"
[ -z "$said" ] || fail "cat under $object says: $said"
LD_PRELOAD=$object grep -q libweir-preload /proc/self/maps || fail "$object is not loaded by LD_PRELOAD"

"$bindir/weir" version >/dev/null || fail "weir version fails"
"$bindir/weir" run -- grep -q "$(realpath "$object")" /proc/self/maps ||
	fail "weir run does not find $object"
echo "installcheck: $object and $bindir/weir work"
