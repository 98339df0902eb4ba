#!/bin/bash
# top.sh -- weir top in a terminal (tmux) on redis under load: what it shows is what redis does, reading
# it all the time disturbs neither redis nor its clients, and redis is asked for things from the screen.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs redis-server redis-server
needs redis-tools redis-cli redis-benchmark
needs tmux tmux

is_weir || {
	skip "weir top on redis under load" "the object is not Weir"
	finish
}
weir=${TEST_WEIR:-${TEST_OBJECT%/*}/weir}
port=$(free_port)
start redis under redis-server --bind 127.0.0.1 --port "$port" --dir "$TMP" --save "" --daemonize no --appendonly no
server=$STARTED
check "redis listens" until_listening "$port" "$server" || finish
start load plain redis-benchmark -p "$port" -d 65536 -n 100000000 -c 20 -r 500 -t set,get -q
load=$STARTED

mux() { tmux -S "$TMP/tmux" -f /dev/null "$@"; }
trap 'mux kill-server 2>/dev/null; clean_up' EXIT
mux new-session -d -x 80 -y 24 "LC_ALL=C.UTF-8 TERM=screen '$weir' top --delay 0.1 $server 2>'$TMP/top.err'; echo status \$?; sleep 60"
shows() { mux capture-pane -p >"$TMP/screen" && grep -Eq -e "$1" "$TMP/screen"; }
screen() { # FACT PATTERN
	until_true 15 shows "$2" && ok "$1" && return
	not_ok "$1" "$TMP/screen"
}

screen "its title names redis" "^ redis-server, process $server, up "
screen "thousands of requests a second go by" 'Requests +[0-9]+,[0-9]{3}/s'
screen "the values stand in their class" '^ +(64|72)\.0 KiB +[1-9][0-9]*'
same "no line is longer than the terminal is wide" yes "$([ "$(wc -L <"$TMP/screen")" -le 80 ] && echo yes)"
mux send-keys s
screen "sorted by what is in use, the values come first" '^ +(64|72)\.0 KiB +[1-9][0-9]*'
same "they do" yes "$(sed -n 13p "$TMP/screen" | grep -Eq '^ +(64|72)\.0 KiB' && echo yes)"
mux send-keys 2
screen "call sites are listed with what they hold" '[0-9.]+M +[0-9,]+ +[+-]?[0-9.]+.? +[0-9]'
mux send-keys Enter
screen "one of them opens, with its stack" '^ #0 '
screen "and how long its objects live" 'alive at ages 0 to'
screen "on 24 lines there is room for six frames" '^ #5 '
mux send-keys Escape
mux send-keys d
screen "redis dumps, asked from the screen" '^dump: '
check_dump "and the dump is whole" command redis-server "$server" 1 1000
mux send-keys g
screen "and collects" 'given back by the pool'
for _ in 1 2 3 4; do
	mux send-keys - # twice as often, each time: down to the least
done
screen "looking 100 times a second shows the same" "^ redis-server, process $server, up "
check "and redis answers its clients meanwhile" eval "plain redis-cli -p $port ping | grep -q PONG"
check "the load went on" kill -0 "$load"
kill -STOP "$server"
screen "a redis that is stopped is said to be" 'STOPPED'
kill -CONT "$server"
plain redis-cli -p "$port" shutdown nosave >/dev/null 2>&1
screen "one that ends is said to have" "process $server has ended; waiting for redis-server to be started again"
mux send-keys q
screen "the screen ends well" '^status 0'
check_quiet "$TMP/redis.err" "$TMP/redis.out"
finish
