#!/bin/bash
# redis.sh -- redis-server, which links jemalloc itself, keeps values of 4 KiB to
# 1 MiB right under the preload object: written and grown by several clients, saved
# by a forked child, loaded again by itself and by a redis without the object. The
# child's own handler for SIGUSR1 still runs when Weir takes that signal too.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs redis-server redis-server
needs redis-tools redis-cli redis-benchmark
needs procps pgrep

port=$(free_port)
values() { plain "$PYTHON" "$here/redis_values.py" "$port" "$@"; }
cli() { plain redis-cli -p "$port" "$@"; }
info() { cli info "$1" | tr -d '\r' | sed -n "s/^$2://p"; }

serve() { # NAME MODE
	start "$1" "$2" redis-server --bind 127.0.0.1 --port "$port" --dir "$TMP" --save "" \
		--daemonize no --appendonly no --enable-debug-command yes
	server=$STARTED
	check "redis listens ($1)" until_listening "$port" "$server" || finish
	until_true 10 eval "plain redis-cli -p $port ping | grep -q PONG"
}
shut_down() {
	cli shutdown nosave >/dev/null 2>&1
	end_of "$server" 10
	same "it shuts down with status 0" 0 "$?"
}

serve first under
check "values of 4 KiB to 1 MiB, set, appended to and cut by six clients, read back right" values fill
check "redis-benchmark sets and gets 64 KiB values" \
	eval "plain redis-benchmark -p $port -d 65536 -n 6000 -c 20 -r 300 -t set,get -q"
check "they are still right" values verify
check "redis knows its memory" test "$(info memory used_memory)" -gt 10000000
check "it counts nothing below zero" eval "! cli info memory | grep -E 'used[a-z_]*:-'"
check "memory purge and malloc-stats answer" eval "cli memory purge && cli memory malloc-stats | grep -q ."

has_saved() { [ "$(info persistence rdb_bgsave_in_progress)" = 0 ]; }
check "BGSAVE's child ends well" eval "cli bgsave | grep -q started && until_true 30 has_saved &&
	[ \"\$(info persistence rdb_last_bgsave_status)\" = ok ] && [ -s '$TMP/dump.rdb' ]"
check "values set while a child saves are right" eval \
	"cli config set rdb-key-save-delay 500 && cli bgsave && values fill && until_true 30 has_saved && values verify"
check "the file that was saved is whole" plain redis-check-rdb "$TMP/dump.rdb"
digest=$(cli debug digest)

# redis ends a child that it wants no more with SIGUSR1, and knows it by the status of the handler.
cli config set rdb-key-save-delay 100000 >/dev/null
check "a child that saves slowly is there" eval "cli bgsave && until_true 5 pgrep -P $server"
child=$(pgrep -P "$server" | head -n 1)
[ -n "$child" ] && kill -USR1 "$child"
check "SIGUSR1 ends the child through redis' own handler" until_true 10 eval "has_saved && ! pgrep -P $server"
same "so the save does not count as failed" ok "$(info persistence rdb_last_bgsave_status)"
check_dump "and the child has left a dump" signal '*' "$child" 1 1
cli config set rdb-key-save-delay 0 >/dev/null

is_weir && kill -USR1 "$server"
check_dump "the server leaves a dump and serves on" signal '*' "$server" 1 1000
check "values are right after it" values verify
cli bgsave >/dev/null && until_true 30 has_saved
digest=$(cli debug digest)
shut_down

serve again under
same "the saved file gives the same content when loaded again" "$digest" "$(cli debug digest)"
check "read value by value too" values verify
shut_down

serve without plain
same "and in a redis without the object" "$digest" "$(cli debug digest)"
shut_down

check_quiet "$TMP/first.err" "$TMP/again.err" "$TMP/first.out" "$TMP/again.out"
finish
