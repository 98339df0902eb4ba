#!/bin/bash
# startup.sh -- a process that streams nothing pays no more for Weir than for a
# preloaded jemalloc: instructions executed by /bin/true and by a cat of one small
# file, the size of a sleeping process, and its threads. Instructions are counted
# (valgrind), not seconds, since they are the same in each run.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs valgrind valgrind

# The jemalloc that the object itself would take, else the one of the system.
peer=$(ldd "$TEST_OBJECT" 2>/dev/null | sed -n 's/.*libjemalloc[^ ]* => \([^ ]*\).*/\1/p')
peer=${peer:-$(ldconfig -p | sed -n 's/.*libjemalloc\.so\.2 .*=> //p' | head -n 1)}
if [ -z "$peer" ]; then
	not_ok "there is a libjemalloc to compare with"
	finish
fi
# shellcheck disable=SC2034 # a mode, see lib.sh
peer_env=(env "LD_PRELOAD=$peer")

# Sets total, and own: of these, what was not executed in the loader.
instructions() { # OBJECT COMMAND...
	local object=$1
	shift
	rm -f "$TMP/callgrind.out"
	total=0 own=0
	# valgrind's own malloc replacement is off in callgrind: the object is what runs.
	# One process: env becomes the command, and counts for both sides alike.
	timeout 60 valgrind --tool=callgrind --callgrind-out-file="$TMP/callgrind.out" --trace-children=yes \
		env "WEIR_TRACK=$track" "LD_PRELOAD=$object" "$@" >/dev/null 2>"$TMP/callgrind.err" || return
	# Cost lines belong to the last ob=, but for the one after calls=, which is the callee's.
	# A name stands after its number where it is used for the first time.
	read -r total own < <(awk '
		/^c?ob=/ {
			number = $1; sub(/^c?ob=/, "", number)
			if (NF > 1) is_loader[number] = /\/ld-linux[^\/]*$/
			if (/^ob=/) object = number
		}
		/^calls=/ { getline; next }
		/^[-+*0-9]/ && NF > 1 { total += $2; if (!is_loader[object]) own += $2 }
		END { printf "%d %d\n", total, own }' "$TMP/callgrind.out")
}

# Two bounds, the same with tracking off and on: it sleeps until a process has allocated half a MiB or
# lived to see a tick. What runs outside the loader is ours to keep small: 22,800 instructions more
# than with jemalloc, which executes 72,000, when this was written. Of these 5,000 look up
# jemalloc's functions in its hash table, which saves the loader more, and 8,000 keep errno from
# its system calls.
most_own=24000
# In all: Debian's libjemalloc needs libstdc++, whose relocations are some 3,500 lookups by
# name, each of which looks into every object before the one that has it. Named first by our object
# (configure.ac), libstdc++ comes before jemalloc, so the count is what it was: 1.012 for true.
# Without that it is 1.11.
most_percent=102
head -c 3000 /dev/zero | tr '\0' 'x' >"$TMP/small"
compare() { # NAME COMMAND...
	local name="$1, tracking $track" total own theirs their_own
	shift
	instructions "$peer" "$@"
	theirs=$total their_own=$own
	instructions "$TEST_OBJECT" "$@"
	note "$name: $theirs instructions with jemalloc, $total with the object"
	note "$name: outside the loader $their_own with jemalloc, $own with the object"
	check "$name: both were counted" \
		test "$their_own" -gt 10000 -a "$own" -gt 10000 -a "$theirs" -gt "$their_own" -a "$total" -gt "$own" || return
	note "$name: the ratio is $(awk "BEGIN { printf \"%.3f\", $total / $theirs }")"
	check "$name: at most $most_percent% of jemalloc's instructions" \
		test $((total * 100)) -le $((theirs * most_percent))
	check "$name: outside the loader at most $most_own instructions more than with jemalloc" \
		test $((own - their_own)) -le "$most_own"
}
for track in off on; do
	compare true /bin/true
	compare cat /bin/cat "$TMP/small"
done

# What the kernel does for a start shows in page faults; the median of 31 starts.
faults() { # OBJECT
	"$PYTHON" - "$1" <<'END'
import os, statistics, sys
counts = []
for _ in range(31):
    pid = os.posix_spawn("/bin/true", ["true"], {"LD_PRELOAD": sys.argv[1]})
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        sys.exit("true ends with another status than 0")
    counts.append(usage.ru_minflt)
print(int(statistics.median(counts)))
END
}
theirs=$(faults "$peer")
ours=$(faults "$TEST_OBJECT")
note "true: $theirs page faults with jemalloc, $ours with the object"
check "page faults were counted" test "${theirs:-0}" -gt 20 -a "${ours:-0}" -gt 20
check "true takes less than 45 page faults more than with jemalloc" test $((ours - theirs)) -lt 45

kib() { # FIELD PID
	sed -n "s/^$1:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$2/status"
}
# Of sleeping processes, the medians of nine: the pages that the loader's prefetching maps differ from run
# to run. Sets rss, and own: of these, what is not a file's.
measure_rss() { # MODE
	local i
	for i in {1..9}; do
		start "sleep-$1-$i" "$1" /bin/sleep 30
		until_true 5 grep -q '^State:.*sleeping' "/proc/$STARTED/status"
		until_true 5 eval "[ \"\$(readlink /proc/$STARTED/exe)\" = \"\$(readlink -f /bin/sleep)\" ]"
		sleep 0.15
		kib VmRSS "$STARTED" >>"$TMP/rss-$1"
		kib RssAnon "$STARTED" >>"$TMP/anon-$1"
		kill -TERM "$STARTED"
		wait "$STARTED" 2>/dev/null
	done
	rss=$(sort -n "$TMP/rss-$1" | sed -n 5p)
	own=$(sort -n "$TMP/anon-$1" | sed -n 5p)
}
measure_rss peer
theirs=$rss their_own=$own
measure_rss under
note "a sleeping process: $theirs KiB resident with jemalloc, $their_own of them its own; $rss and $own with the object"
check "all were read" test "${theirs:-0}" -gt 500 -a "${rss:-0}" -gt 500 -a "${their_own:-0}" -gt 50 -a "${own:-0}" -gt 50
# 300 to 400 KiB, by what the page cache maps around: all but 80 of it are the object's code and constants and those of
# libraries, which processes share; tables are touched as they fill.
check "it is less than 420 KiB larger than with jemalloc" test $((rss - theirs)) -lt 420
check "of that less than 100 KiB are its own" test $((own - their_own)) -lt 100

start threads under /bin/sleep 30
until_true 5 eval "[ \"\$(readlink /proc/$STARTED/exe)\" = \"\$(readlink -f /bin/sleep)\" ]"
sleep 0.3
same "a program of one thread has one thread" 1 "$(kib Threads "$STARTED")"
kill -TERM "$STARTED"
end_of "$STARTED" 5
same "and is ended by TERM as ever" $((128 + 15)) "$?"

check_quiet "$TMP"/sleep-under-*.err "$TMP/threads.err"
finish
