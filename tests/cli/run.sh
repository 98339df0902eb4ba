#!/bin/sh
# run.sh -- weir run with programs that it can serve: what it hands on, and how it finds its object.
# A tiny shared object stands for the real one: its constructor leaves a mark in the environment.

# shellcheck source=tests/cli/tap.sh
. "$(dirname "$0")/tap.sh"

cat >"$work/mark.c" <<'END'
#include <stdlib.h>
__attribute__((constructor)) static void mark(void) { setenv(MARK, "loaded", 1); }
END
"$CC" -shared -fPIC -DMARK='"FIRST"' -o "$work/mark.so" "$work/mark.c" || exit 1
"$CC" -shared -fPIC -DMARK='"SECOND"' -o "$work/second.so" "$work/mark.c" || exit 1

# shellcheck disable=SC2016 # the program's variables, not ours
marks='echo "$FIRST $SECOND"'
# shellcheck disable=SC2016
preload='echo "$LD_PRELOAD"'

run()
{
	try "$WEIR" run --object "$work/mark.so" "$@"
}

run -- sh -c "$marks"
gives "the object is loaded into the program" 0 "loaded "
run sh -c 'echo "$@"' name --set x=y -- --object
gives "the command's own options are left to it" 0 "--set x=y -- --object"
run -- sh -c 'exit 37'
gives "the program's exit status is passed on" 37 ""
# shellcheck disable=SC2016
run -- sh -c 'kill -TERM $$'
gives "the program's death by a signal is passed on" 143 ""

# shellcheck disable=SC2016
"$WEIR" run --object "$work/mark.so" -- sh -c 'echo $$' >"$work/stdout" 2>"$work/stderr" &
child=$!
wait "$child"
status=$?
gives "the program has the process id that weir had" 0 "$child"

cd "$work" || exit 1
try "$WEIR" run --object mark.so -- sh -c "$preload"
cd "$OLDPWD" || exit 1
gives "a relative object is handed on as an absolute path" 0 "$work/mark.so"

# What stands in LD_PRELOAD

LD_PRELOAD=$work/second.so
export LD_PRELOAD
run -- sh -c "$preload"
gives "what LD_PRELOAD held is kept, after the object" 0 "$work/mark.so:$work/second.so"
run -- sh -c "$marks"
gives "what LD_PRELOAD held is still loaded" 0 "loaded loaded"
LD_PRELOAD="$work/second.so $work/mark.so"
run -- sh -c "$preload"
gives "an object that LD_PRELOAD holds already stands there once" 0 "$work/mark.so:$work/second.so"
unset LD_PRELOAD
mkdir "$work/elsewhere"
cp "$work/second.so" "$work/elsewhere/libweir-preload.so"
try env LD_PRELOAD="$work/elsewhere/libweir-preload.so:$work/second.so" \
	"$WEIR" run --object "$work/mark.so" -- sh -c "$preload"
gives "another Weir in LD_PRELOAD makes room for this one" 0 "$work/mark.so:$work/second.so"

for bad in 'a space' 'a:colon' "a\$dollar"; do
	mkdir "$work/$bad"
	cp "$work/mark.so" "$work/$bad/mark.so"
	try "$WEIR" run --object "$work/$bad/mark.so" -- true
	says "an object below '$bad' is refused: LD_PRELOAD cannot name it" 125 'LD_PRELOAD cannot carry'
done

# Where the object is found

try "$WEIR" run --object "$work/missing.so" -- true
says "an object that does not exist is named" 125 '--object names .*missing\.so: No such file'
echo text >"$work/text.so"
try "$WEIR" run --object "$work/text.so" -- true
says "a file that is no shared object is refused" 125 'text\.so is not a shared object'
try "$WEIR" run --object "$(command -v env)" -- true
says "a program is refused as an object" 125 'is not a shared object'
mkfifo "$work/fifo.so"
try timeout 10 "$WEIR" run --object "$work/fifo.so" -- true
says "a FIFO is refused as an object, and not waited for" 125 'is not a shared object'
cp "$work/mark.so" "$work/foreign.so"
printf '\363' | dd of="$work/foreign.so" bs=1 seek=18 conv=notrunc 2>/dev/null
try "$WEIR" run --object "$work/foreign.so" -- true
says "an object for another machine is refused" 125 'built for another machine'
head -c 100 "$work/mark.so" >"$work/cut.so"
try "$WEIR" run --object "$work/cut.so" -- true
says "an object that is cut short is refused" 125 'damaged'
try env WEIR_OBJECT="$work/mark.so" "$WEIR" run -- sh -c "$marks"
gives "WEIR_OBJECT names the object" 0 "loaded "
try env WEIR_OBJECT="$work/missing.so" "$WEIR" run --object "$work/second.so" -- sh -c "$marks"
gives "--object goes before WEIR_OBJECT" 0 " loaded"
# shellcheck disable=SC2016
try env WEIR_OBJECT="$work/mark.so" "$WEIR" run -- sh -c 'echo "${WEIR_OBJECT-gone}"'
gives "WEIR_OBJECT is not handed on: it is no setting" 0 gone
try env WEIR_OBJECT="$work/missing.so" "$WEIR" run -- true
says "a wrong WEIR_OBJECT is named, not replaced" 125 'WEIR_OBJECT names .*missing\.so'

multiarch=$("$CC" -print-multiarch 2>/dev/null)
for place in bin bin/.libs lib "lib/$multiarch" lib64; do
	rm -rf "$work/tree"
	mkdir -p "$work/tree/bin" "$work/tree/$place"
	cp "$WEIR" "$work/tree/bin/weir"
	cp "$work/mark.so" "$work/tree/$place/libweir-preload.so"
	try "$work/tree/bin/weir" run -- sh -c "$preload"
	if test "$place" = lib/; then
		skip "the object is found in lib/MULTIARCH beside bin" "$CC names no multiarch directory"
	else
		gives "the object is found in $place of a tree with bin/weir" 0 \
			"$work/tree/${place%/}/libweir-preload.so"
	fi
done

# Settings

# shellcheck disable=SC2016
run --set WEIR_MAX_BUFFERS=50 --set gc-interval=1m --set Weir_Log=debug -- \
	sh -c 'echo "$WEIR_MAX_BUFFERS $WEIR_GC_INTERVAL $WEIR_LOG"'
gives "settings are taken with and without WEIR_, in any case" 0 "50 1m debug"
# shellcheck disable=SC2016
try env WEIR_LOG=off "$WEIR" run --object "$work/mark.so" -s log=info -- sh -c 'echo "$WEIR_LOG"'
gives "--set goes before the environment" 0 info
run --set max_bufers=50 -- true
says "an unknown setting is answered with the nearest one" 2 'no setting WEIR_MAX_BUFERS.*WEIR_MAX_BUFFERS'
run --set zzzzzzzzzzzz=1 -- true
says "an unknown setting that is near none is answered with the list" 2 'no setting WEIR_ZZZZZZZZZZZZ; .weir options.'
run --set "$(printf '%0300d' 0)=1" -- true
says "a name longer than any setting is refused" 2 'no setting has a name as long'
run --set gc_interval=soon -- true
says "a bad value is answered with what is allowed" 2 "WEIR_GC_INTERVAL cannot be 'soon'; allowed: 100ms to 24h"
run --set gc_interval=1ms -- true
says "a value out of bounds is answered with what is allowed" 2 'WEIR_GC_INTERVAL.*allowed: 100ms to 24h'
run --set max_buffers -- true
says "--set without = is refused" 2 'NAME=VALUE'
run --set =50 -- true
says "--set without a name is refused" 2 'NAME=VALUE'

run
says "run without a command is a wrong use" 2 'run what'
run --frobnicate -- true
says "an unknown option of run is a wrong use" 2 'frobnicate'

finish
