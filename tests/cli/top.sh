#!/bin/sh
# top.sh -- weir top in a terminal (tmux): its screens by their text, keys, and what becomes of a target.

# shellcheck source=tests/cli/tap.sh
. "$(dirname "$0")/tap.sh"

# Without a terminal

try "$WEIR" top
says "top without a terminal says what does without one" 2 'needs a terminal; .weir top --once'
try "$WEIR" top --json
says "--json goes with --once" 2 'goes with --once'
try "$WEIR" top --delay 0 1
says "a delay has bounds" 2 "'0' is none"
try "$WEIR" top 1 2
says "top shows one process" 2 'one too many'

# shellcheck source=tests/cli/live.sh
. "$(dirname "$0")/live.sh"

start idle
one=$pid
try "$WEIR" top --once --json "$one"
test "$status" -eq 0 && python3 -c '
import json, sys
dump = json.load(open(sys.argv[1]))
assert dump["schema"] == "weir-dump" and dump["pid"] == int(sys.argv[2])
assert 1 << 20 <= dump["metrics"]["total_used_bytes"] < 1100000
assert [c for c in dump["classes"] if c["size_bytes"] == 65536][0]["in_use"] == 16
' "$work/stdout" "$one" 2>>"$work/stderr"
ok $? "--once --json of a process is a dump of it, made from outside"
test ! -e "$work/dump.$one.1.txt"
ok $? "and the process has made none"
try "$WEIR" top --once "$one"
test "$status" -eq 0 && grep -q "^Weir .*: $name, pid $one" "$work/stdout"
ok $? "--once of a process is the text of a dump"
grep -q '^  leak risk *not known yet' "$work/stdout"
ok $? "before the first look of the monitor it says so of the leak risk"
try "$WEIR" report "$one"
test "$status" -eq 0 && grep -q "^$name, pid $one, up .*, read from outside, " "$work/stdout" &&
	grep -q '^Not judged yet' "$work/stdout" && test ! -e "$work/dump.$one.1.txt"
ok $? "report of a process is one of what it is now, and it makes no dump for that either"
(cd "$work" && "$WEIR" report "$name") >"$work/stdout" 2>"$work/stderr"
status=$?
test "$status" -eq 0 && grep -q "^$name, pid $one, " "$work/stdout"
ok $? "by its name, too, where the program itself is a file of that name"
"$WEIR" top --once --json "$one" >"$work/before.json"
try "$WEIR" report --diff "$work/before.json" "$one"
test "$status" -eq 0 && grep -q '^Size classes, buffers in use' "$work/stdout"
ok $? "and what grew since a dump of it"
try "$WEIR" report 999999999
says "a process that is not there" 1 'there is no process 999999999'
try "$WEIR" top --once --json
test "$status" -eq 0 && python3 -c '
import json, sys
mine = [p for p in json.load(open(sys.argv[1])) if p["pid"] == int(sys.argv[2])]
assert len(mine) == 1 and mine[0]["program"] == sys.argv[3] and 1 << 20 <= mine[0]["in_use_bytes"] < 1100000
' "$work/stdout" "$one" "$name" 2>>"$work/stderr"
ok $? "--once --json of all is a list of them"

# An idle process runs for no instant while it is read 100 times a second.
ran()
{
	cut -d ' ' -f 1 "/proc/$1/schedstat"
}
before=$(ran "$one")
if command -v script >/dev/null; then
	try timeout 2 script -qec "stty cols 80 rows 24; '$WEIR' top --delay 0.01 $one" /dev/null
	grep -q IN.USE "$work/stdout" && test "$(ran "$one")" = "$before"
	ok $? "a process that waits runs not at all for being read 100 times a second"
else
	skip "a process that waits runs not at all for being read 100 times a second" "no script(1) to make a terminal"
fi
end_all

if ! command -v tmux >/dev/null; then
	skip "the screens" "tmux is not installed"
	finish
fi

# In a terminal

unset TMUX NO_COLOR
mux()
{
	tmux -S "$work/tmux" -f /dev/null "$@"
}
# terminal COLUMNS LINES COMMAND: in a terminal of its own
# A server that was told to end may still be there for a moment.
# shellcheck disable=SC2317 # called by until_true
is_without_server()
{
	! mux has-session
}
terminal()
{
	until_true is_without_server
	mux new-session -d -x "$1" -y "$2" "$3; echo status \$?; sleep 60"
}
trap 'mux kill-server 2>/dev/null; end_all; rm -rf "$work"' EXIT

screen()
{
	mux capture-pane -p >"$work/stdout"
}
# What is there now, or will be soon: an extended pattern.
is_shown()
{
	screen
	grep -Eq -e "$1" "$work/stdout"
}
shows()
{
	until_true is_shown "$2"
	ok $? "$1"
}
key()
{
	mux send-keys "$1"
}
status=0

start WEIR_MONITOR_INTERVAL=100ms tick
one=$pid
terminal 80 24 "LC_ALL=C.UTF-8 '$WEIR' top --delay 0.2"
# select_process PID: there may be others in the list, which come and go, and more than the screen has room for
select_process()
{
	before_it=$("$WEIR" list 2>/dev/null | awk -v pid="$1" '$1 ~ /^[0-9]+$/ && $1 < pid' | wc -l)
	key Home
	test "$before_it" -eq 0 || mux send-keys -N "$before_it" Down
}
# shellcheck disable=SC2317 # called by until_true
is_listed()
{
	select_process "$one"
	is_shown "^ *$one $name +.* 1\.0 MiB "
}
until_true is_shown '^ weir top: [0-9]+ process' && until_true is_listed
ok $? "the first screen lists processes"
test "$(wc -L <"$work/stdout")" -le 80
ok $? "within 80 columns"
watch()
{
	for _ in $(seq 40); do
		select_process "$1"
		key Enter
		until_true is_shown ', process [0-9]+, '
		is_shown ", process $1, up" && return 0
		key Escape
		until_true is_shown '^ weir top: [0-9]+ process'
	done
	return 1
}
watch "$one"
shows "Enter watches the one that is selected: its title" "^ $name, process $one, up .*, Weir [0-9]"
until_true is_shown 'Pool +\[.*\] 1\.[01] MiB in use of' &&
	until_true is_shown '^ Pressure (none|low|medium|critical)'
ok $? "its pool, and the pressure"
shows "requests a second, from two looks" 'Requests +[1-9][0-9,.]*/s'
shows "size classes in use" '^ +64\.0 KiB +1[67] .*% +[0-9.]+%$'
key b
shows "b marks, and figures are changes since" '^ +64\.0 KiB +[+-][0-9]'
key B
shows "B takes the mark away" '^ +64\.0 KiB +1[67] '
key d
shows "d has it dump" "^dump: $work/dump\.$one\.1\.txt|^dump: "
test -s "$work/dump.$one.1.txt"
ok $? "and the file is there"
key g
shows "g has it collect" 'given back by the pool'
key 4
shows "4 shows what to do" 'Nothing: no fact asks for it|\((info|warning|critical)\)'
key 1
key '?'
shows "? shows the keys" 'mute a call site'
key 2
shows "and any key the process again" "process $one"
shows "in the view that it was in" 'REUSE +WASTE'
mux resize-window -x 60 -y 20
shows "a terminal that is too small is told so" 'needs 80 columns and 24 lines; here are 60 and 20'
mux resize-window -x 132 -y 40
shows "a larger one is used" "process $one"
key p
shows "p pauses" 'paused *$'
key p
kill -STOP "$one"
shows "a process that is stopped is said to be" 'STOPPED'
kill -CONT "$one"
key Escape
shows "Escape goes back to the list" "^ *[0-9]+ $name +"
watch "$one"
shows "and Enter to the process again" "^ $name, process $one, up"
end_all
shows "a process that ends is said to have" "process $one has ended; waiting for $name to be started again"
start tick
shows "one that is started again is watched again" "process $pid, up"
key q
shows "q ends with status 0, and the terminal is given back" '^status 0$'
end_all
mux kill-server

start stuck
terminal 80 24 "LC_ALL=C TERM=vt100 '$WEIR' top --delay 0.1 $pid"
shows "where the locale is not UTF-8 bars are ASCII, and no colours are needed" 'Pool +\[\|+ *\] 1\.[01] MiB in use of'
LC_ALL=C grep -q '[^ -~]' "$work/stdout"
test $? -eq 1
ok $? "with no byte that is not"
kill -STOP "$pid"
key g
shows "a command that a stopped process cannot answer is told so, and the screen goes on" 'is stopped'
try "$WEIR" report "$pid"
test "$status" -eq 0 && grep -q "^$name, pid $pid, .*read from outside" "$work/stdout"
ok $? "a report of it needs no answer"
end_all
mux kill-server

start stuck
terminal 80 24 "TERM=dumb '$WEIR' top $pid"
shows "a terminal without a cursor is refused, with what to do" "the terminal 'dumb' is not known here, or cannot be drawn on.*"
shows "with status 125" '^status 125$'
end_all
mux kill-server

mkfifo "$work/input" "$work/go"
(
	exec 3>"$work/input"
	read -r _ <"$work/go"
	echo >&3
	sleep 30
) &
input_pid=$!
# shellcheck disable=SC2034 # for start()
live_input=$work/input
start exec "$LIVE" stuck
exec 4<"$work/ready" # what the other one writes is read by somebody
terminal 80 24 "LC_ALL=C.UTF-8 '$WEIR' top --delay 0.1 $pid"
shows "a process before it becomes another program" "process $pid"
echo >"$work/go"
shows "and after it" "became $name; watched anew"
key q
shows "both are watched without an error" '^status 0$'
kill "$input_pid"
end_all
exec 4<&-
mux kill-server

sleep 60 &
other=$!
terminal 80 24 "'$WEIR' top $other"
shows "a process without Weir is refused before the screen" "does not run with Weir"
kill "$other"

finish
