#!/bin/bash
# python3.sh -- python3 computes the same under the preload object: a pipeline of
# threads that pass bytes objects of 4 KiB to 1 MiB, processes forked from a
# threaded parent, json, zlib and growing bytearrays. Its handler for SIGUSR1, set
# by signal.signal(), is still called when Weir takes that signal too.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs python3 "$PYTHON"

# Every allocation of python's own goes to malloc.
export PYTHONMALLOC=malloc
for part in pipeline fork documents; do
	[ "$part" = documents ] && unset PYTHONMALLOC # and here to its own arenas of 256 KiB to 1 MiB
	plain "$PYTHON" "$here/python_work.py" "$part" >"$TMP/plain.out" 2>"$TMP/plain.err"
	under "$PYTHON" "$here/python_work.py" "$part" >"$TMP/under.out" 2>"$TMP/$part.err"
	same "$part: python ends with status 0" 0 "$?"
	same "$part: the same results" "$(cat "$TMP/plain.out")" "$(cat "$TMP/under.out")"
done

wait_for_signals() { # NAME MODE
	start "$1" "$2" "$PYTHON" "$here/python_work.py" signal
	until_true 10 grep -q ready "$TMP/$1.out"
	for count in 1 2 3; do
		kill -USR1 "$STARTED"
		until_true 5 grep -q "handled $count" "$TMP/$1.out"
	done
	end_of "$STARTED" 20
}
wait_for_signals plain plain
wait_for_signals signal under
same "a handler set by signal.signal() is called for each signal, with the right number" \
	"$(cat "$TMP/plain.out")" "$(cat "$TMP/signal.out")"
check "for three" grep -q 'handled 3 times, the last by 10' "$TMP/signal.out"
check_dump "and each of them has left a dump" signal '*' "$STARTED" 3 100

check_quiet "$TMP"/*.err
finish
