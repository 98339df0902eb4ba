#!/usr/bin/env bash
# own_handler.sh -- the dump signal stays the program's own: what own_handler.c finds on libc it finds
# under Weir, and what the settings say about the signal is so.
set -u
object=${TEST_OBJECT:?the object to preload}
program=${abs_top_builddir:?}/tests/preload/own_handler
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
number=0
failed=0

report() { # STATUS NAME [FILE]
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		failed=1
		echo "not ok $number - $2"
		[ -z "${3:-}" ] || sed 's/^/#   /' "$3"
	fi
}

under() { # NAME=VALUE... COMMAND...: with a time limit, under Weir
	timeout -k 2 60 env LD_PRELOAD="$object" WEIR_DUMP="$tmp/%e.%p.%n" "$@" 2>"$tmp/err"
}

dumps() { find "$tmp" -name '*.txt' | wc -l; }

# All of the program's facts; the name of the round comes first.
facts() { # ROUND COMMAND...
	local round=$1 word name all=0
	shift
	"$@" >"$tmp/facts" || true
	while read -r word name; do
		all=$((all + 1))
		[ "$word" = holds ]
		report $? "$round: ${name//_/ }" "$tmp/err"
	done <"$tmp/facts"
	# A program that dies midway has fewer.
	[ "$all" = 17 ]
	report $? "$round: the program came to its end" "$tmp/err"
}

: >"$tmp/err"
facts "on libc" timeout -k 2 60 "$program"
facts "under Weir" under "$program"
test "$(dumps)" -gt 20
report $? "under Weir: its signals were answered by dumps"
rm -f "$tmp"/*.txt
facts "without a dump signal" under WEIR_SIGNAL=none "$program"
test "$(dumps)" = 0
report $? "without a dump signal: no dumps"

# An ordinary shell, which signals itself; its trap is the program's handler.
under sh -c 'kill -USR1 $$; echo alive' >"$tmp/out"
test "$(cat "$tmp/out")" = alive && test "$(dumps)" = 1
report $? "a program without a handler survives the signal, and is dumped" "$tmp/err"

rm -f "$tmp"/*.txt
under sh -c 'trap "echo trapped" USR1; kill -USR1 $$; echo alive' >"$tmp/out"
test "$(cat "$tmp/out")" = "$(printf 'trapped\nalive')" && test "$(dumps)" = 1
report $? "the program's handler runs too" "$tmp/err"

under WEIR_SIGNAL_CHAIN=off sh -c 'trap "echo trapped" USR1; kill -USR1 $$; echo alive' >"$tmp/out"
test "$(cat "$tmp/out")" = alive && test "$(dumps)" = 2
report $? "with WEIR_SIGNAL_CHAIN=off it does not" "$tmp/err"

rm -f "$tmp"/*.txt
under WEIR_SIGNAL=RTMIN+3 sh -c 'kill -37 $$; trap "echo trapped" USR1; kill -USR1 $$; echo alive' >"$tmp/out"
test "$(cat "$tmp/out")" = "$(printf 'trapped\nalive')" && test "$(dumps)" = 1
report $? "WEIR_SIGNAL=RTMIN+3 takes that one, and leaves USR1 alone" "$tmp/err"

under WEIR_SIGNAL=none sh -c 'kill -USR1 $$; echo alive' >"$tmp/out"
test $? = 138 && ! [ -s "$tmp/out" ]
report $? "WEIR_SIGNAL=none leaves the signal deadly" "$tmp/err"

echo "1..$number"
exit $failed
