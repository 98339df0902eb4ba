#!/bin/bash
# installcheck.sh BINDIR LIBDIR [EXAMPLE] -- what make install has put there works from there.
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

# A program that is built with what pkg-config says, by the C and by the C++ compiler, against what is installed.
# Under DESTDIR the paths in weir.pc are not those of the files, which PKG_CONFIG_SYSROOT_DIR puts right.
example=${3:-}
if [ -n "$example" ]; then
	destdir=${DESTDIR:-}
	export PKG_CONFIG_PATH=$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$destdir
	pkg-config --exists weir || fail "pkg-config does not find weir"
	[ "$(pkg-config --modversion weir)" = "$("$bindir/weir" version | sed -n 's/^weir \([0-9.]*\).*/\1/p')" ] ||
		fail "weir.pc has another version than weir"
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	# shellcheck disable=SC2046 # flags are words
	"${CC:-cc}" -std=gnu99 -Wall -Wextra -pedantic -Werror "$example" $(pkg-config --cflags --libs weir) -o "$scratch/c" ||
		fail "$example is not built as C"
	printf '#include <weir.h>\nint main() { return weir_pool_destroy(nullptr) == 0 ? 0 : 1; }\n' >"$scratch/x.cc"
	# shellcheck disable=SC2046
	"${CXX:-c++}" -std=c++11 -Wall -Wextra -pedantic -Werror "$scratch/x.cc" $(pkg-config --cflags --libs weir) \
		-o "$scratch/x" || fail "a program is not built as C++"
	LD_LIBRARY_PATH=$libdir "$scratch/x" || fail "the C++ program fails"
	head -c 300000 /dev/zero >"$scratch/in"
	for preload in '' "$object"; do
		LD_PRELOAD=$preload LD_LIBRARY_PATH=$libdir "$scratch/c" <"$scratch/in" >"$scratch/out" 2>"$scratch/err" ||
			fail "the example fails: $(cat "$scratch/err")"
		cmp -s "$scratch/in" "$scratch/out" || fail "the example does not copy"
		grep -q '"buffer_count":1,' "$scratch/err" || fail "the example says: $(cat "$scratch/err")"
	done
	[ "$(readlink "$libdir/libweir.so")" = libweir.so.0 ] || fail "libweir.so is no link to libweir.so.0"
fi
echo "installcheck: $object, $bindir/weir and libweir work"
