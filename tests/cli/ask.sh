#!/bin/sh
# ask.sh -- weir list, dump, gc and trim on processes that are idle, busy, stuck or stopped.

# shellcheck source=tests/cli/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/cli/live.sh
. "$(dirname "$0")/live.sh"

is_whole_json()
{
	python3 -c '
import json, sys
dump = json.load(open(sys.argv[1]))
assert dump["trigger"] == "command" and dump["pid"] == int(sys.argv[2]), dump["trigger"]
' "$1" "$2" 2>>"$work/stderr"
}

# One line of dump's output names a file that is there.
names_file()
{
	test "$status" -eq 0 && test "$(wc -l <"$work/stdout")" -eq 1 && test -s "$(cat "$work/stdout")"
}

# A process of one thread, which has no maintenance thread to do anything for it.

start idle
one=$pid
try "$WEIR" list
grep -Eq "^ *$one +$name .* 1\.0 MiB +3[1-6]\.[0-9] MiB" "$work/stdout"
ok $? "list has its pid, its program, what is in use and what idles"
try "$WEIR" dump "$one"
names_file && grep -q ' by command$' "$(cat "$work/stdout")"
ok $? "dump has it write a file, and prints its name"
try "$WEIR" dump --format json,text "$one"
test "$status" -eq 0 && test "$(wc -l <"$work/stdout")" -eq 2 && is_whole_json "$work/dump.$one.2.json" "$one"
ok $? "dump --format asks for the formats that it names, whatever the settings are"
try "$WEIR" dump -f json -o "$work/taken.json" "$one"
test "$status" -eq 0 && ! test -s "$work/stdout" && is_whole_json "$work/taken.json" "$one" &&
	! test -e "$work/dump.$one.3.json"
ok $? "dump --output takes the file over, and leaves none behind"
try "$WEIR" dump -f openmetrics -o - "$one"
test "$status" -eq 0 && test "$(tail -n 1 "$work/stdout")" = "# EOF"
ok $? "dump --output - writes the dump to standard output"
try "$WEIR" dump "$name"
names_file
ok $? "a process is also found by its program's name"

before=$(resident_kib "$one")
try "$WEIR" gc "$one"
after=$(resident_kib "$one")
test "$status" -eq 0 && grep -Eq '^(2[0-9]|3[0-3])\.[0-9] MiB given back by the pool; resident ' "$work/stdout" &&
	test $((before - after)) -gt 20000
ok $? "gc has a process of one thread that waits give back what idles, at once"
try "$WEIR" trim "$one"
test "$status" -eq 0 && grep -q "jemalloc's part follows" "$work/stdout" && test "$(resident_kib "$one")" -le "$after"
ok $? "trim gives back what gc may have kept, and says that jemalloc's part is still to come"
try "$WEIR" list
grep -Eq "^ *$one +$name .* 1\.0 MiB +0 B" "$work/stdout"
ok $? "after it nothing idles"

start idle
try "$WEIR" dump "$name"
says "a name that two processes have is answered with their pids" 125 "2 processes with Weir are called $name:.* $one"
end_all

# Where the file is

here=$PWD
cd "$work" || exit 1
start WEIR_DUMP=relative.%n idle
cd "$here" || exit 1
try "$WEIR" dump "$pid"
gives "a relative name is printed with the folder of the process" 0 "$work/relative.1.txt"
try "$WEIR" dump -o "$work/taken.json" "$pid"
test "$status" -eq 0 && grep -q '"schema": "weir-dump"' "$work/taken.json"
ok $? "an output called .json gets the dump as JSON"
end_all

# Threads

start WEIR_SIGNAL=RTMIN+3 threads
try "$WEIR" dump "$pid"
names_file
ok $? "64 threads that allocate all the time do not keep a process from its dump"
try "$WEIR" gc "$pid"
test "$status" -eq 0 && grep -q 'given back by the pool' "$work/stdout"
ok $? "the maintenance thread does the collection"
end_all

start WEIR_BACKGROUND=always idle
try "$WEIR" trim "$pid"
test "$status" -eq 0 && grep -Eq '^3[0-9]\.[0-9] MiB given back' "$work/stdout" && ! grep -q follows "$work/stdout"
ok $? "the maintenance thread trims, jemalloc's part too"
end_all

start WEIR_BACKGROUND=never busy
answered=0
i=0
while test $i -lt 40; do
	try "$WEIR" gc "$pid"
	test "$status" -eq 0 || break
	answered=$((answered + 1))
	i=$((i + 1))
done
test "$answered" -eq 40 && kill -0 "$pid"
ok $? "a thread that is interrupted anywhere in malloc, 40 times, does its collection"
try "$WEIR" dump "$pid"
names_file
ok $? "and its dump"
end_all

start stuck
try "$WEIR" dump "$pid"
names_file
ok $? "a process that waits for a lock for ever dumps"
end_all

# The program's own handler

mkfifo "$work/input"
live_input=$work/input
(
	exec 3>"$work/input"
	read -r _ <"$work/go"
	echo >&3
	sleep 30
) &
input_pid=$!
mkfifo "$work/go"
start count
live_input=
exec 4<"$work/ready" || true
try "$WEIR" dump "$pid"
"$WEIR" gc "$pid" >/dev/null
kill -USR1 "$pid"
until_true test -s "$work/dump.$pid.2.txt"
echo >"$work/go"
read -r seen <&4
exec 4<&-
test "$seen" = 1
ok $? "the program's own handler runs for a plain signal, and not for commands"
kill "$input_pid"
end_all

# Who does not answer

start WEIR_SIGNAL=none idle
try "$WEIR" dump "$pid"
says "a process without a signal cannot be asked, and that is said" 125 'WEIR_SIGNAL=none'
end_all
start block
try "$WEIR" dump -t 0.3 "$pid"
says "a process that blocks the signal is told from one that is slow" 124 'blocks signal 10 in all of its threads'
end_all
start WEIR_SIGNAL=RTMIN+3 idle # which queues, so each repetition arrives
kill -STOP "$pid"
try "$WEIR" dump -t 0.3 "$pid"
says "a process that is stopped is said to be" 124 'is stopped .by a signal'
kill -CONT "$pid"
until_true test -s "$work/dump.$pid.1.txt"
ok $? "and dumps when it goes on"
sleep 0.1
test ! -e "$work/dump.$pid.2.txt"
ok $? "once, however often it was asked meanwhile"
end_all
try "$WEIR" dump "$pid"
says "a process that is gone is said to be" 125 "no process $pid"
try "$WEIR" gc $$
says "a process without Weir is said to be" 125 'does not run with Weir'
try "$WEIR" trim no-such-program
says "a name that no process has is said" 125 'called no-such-program'

# Other builds

cat >"$work/other.c" <<'END'
struct { unsigned long magic; unsigned layout, bytes; char version[16]; } weir_state =
	{0x3165746174537257, 999, 40, "9.8.7"};
END
"$CC" -shared -fPIC -o "$work/libweir-preload.so" "$work/other.c" || exit 1
env LD_PRELOAD="$work/libweir-preload.so" sleep 30 &
other=$!
until_true grep -q libweir "/proc/$other/maps"
try "$WEIR" dump "$other"
says "a process with another build of Weir is refused, and which one it has is said" 125 'another build of Weir \(9\.8\.7\)'
try "$WEIR" list
grep -Eq "^ *$other +sleep .* - +- +-" "$work/stdout" && grep -q 'another build' "$work/stderr"
ok $? "list shows that there is one"
kill "$other"

# Rights

if test "$(id -u)" -eq 0; then
	start idle
	try setpriv --reuid 65534 --regid 65534 --clear-groups "$WEIR" dump "$pid"
	says "another user's process is refused with the reason and the way" 125 'may not be read|root'
	end_all
	mkdir "$work/root"
	start WEIR_DUMP=/d.%n chroot "$work/root"
	try "$WEIR" dump "$pid"
	gives "a dump below another root is named as the process sees it" 0 /d.1.txt
	ln -s /etc/hostname "$work/root/d.2.json"
	try "$WEIR" dump -f json -o - "$pid"
	test "$status" -eq 0 && grep -q '"schema": "weir-dump"' "$work/stdout" && ! test -e "$work/root/d.3.json"
	ok $? "and is fetched from there"
	end_all
else
	skip "another user's process is refused with the reason and the way" "needs root to have another user"
	skip "a dump below another root is named as the process sees it" "needs root"
	skip "and is fetched from there" "needs root"
fi

# The command line

try "$WEIR" dump
says "dump without a process is a wrong use" 2 'which process'
try "$WEIR" dump 1 2
says "dump takes one process" 2 'which process'
try "$WEIR" dump --format xml 1
says "an unknown format is a wrong use" 2 "no format 'xml'"
try "$WEIR" dump --format json,text --output - 1
says "one output takes one format" 2 'one format'
try "$WEIR" gc --timeout soon 1
says "a timeout is a number" 2 "'soon' is none"
try "$WEIR" trim --format json 1
says "a trim has no format" 2 'format'
try "$WEIR" list all
says "list takes no argument" 2 "'all' is one"

finish
