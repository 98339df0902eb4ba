#!/bin/bash
# limits.sh -- where memory or buffers are short, programs still give right results
# under the preload object: python3, ffmpeg and redis with 450 MB of address space
# (as ulimit -v sets it), with at most 50 buffers in the pool (WEIR_MAX_BUFFERS=50), with a
# pool of 8 MiB (WEIR_POOL_LIMIT=8M), and with both small and everything collected
# all the time. What does not fit goes to jemalloc and is counted.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs ffmpeg ffmpeg
needs redis-server redis-server
needs redis-tools redis-cli

# What python prints and ffmpeg writes with no limit and no object.
plain "$PYTHON" "$here/python_work.py" pipeline >"$TMP/python.out"
film() { # MODE FILE
	"$1" ffmpeg -hide_banner -nostdin -loglevel error -y -filter_threads 2 -f lavfi -i testsrc2=size=640x360:rate=25 \
		-t 2 -c:v mpeg2video -threads 2 -flags:v +bitexact -fflags +bitexact -f mpegts "$2"
}
film plain "$TMP/film.ts"

# The dump of a process that met a limit of the pool counts temporary buffers, and the limit held.
met_limit() { # PID BUFFERS BYTES
	"$PYTHON" - "$DUMPS" "$@" <<'END'
import glob, json, sys
folder, pid, most_buffers, most_bytes = sys.argv[1:]
with open(glob.glob(f"{folder}/*.{pid}.*.json")[0], encoding="utf-8") as file:
    metrics = json.load(file)["metrics"]
print(metrics)
if metrics["temporary_buffers"] == 0:
    sys.exit("no temporary buffers")
if metrics["buffer_count"] > float(most_buffers):
    sys.exit(f"more buffers than {most_buffers}")
if metrics["total_allocated_bytes"] > float(most_bytes):
    sys.exit(f"more bytes than {most_bytes}")
END
}

redis() { # CASE [BUFFERS BYTES]
	local port server
	port=$(free_port)
	start "$1-redis" under redis-server --bind 127.0.0.1 --port "$port" --dir "$TMP" --save "" --dbfilename "$1.rdb"
	server=$STARTED
	check "$1: redis listens" until_listening "$port" "$server" || return
	check "$1: redis' values are right" eval \
		"plain $PYTHON $here/redis_values.py $port fill && plain $PYTHON $here/redis_values.py $port verify"
	check "$1: redis saves in a fork" eval "plain redis-cli -p $port bgsave | grep -q started &&
		until_true 20 eval '[ -s $TMP/$1.rdb ]' && plain redis-cli -p $port info persistence | grep -q 'bgsave_status:ok'"
	if [ $# -gt 1 ]; then
		is_weir && kill -USR1 "$server"
		check_dump "$1: redis leaves a dump" signal '*' "$server" 1 1
		if is_weir; then
			check "$1: the limit held, and temporary buffers were counted" met_limit "$server" "$2" "$3"
		else
			skip "$1: the limit held, and temporary buffers were counted" "the object is not Weir"
		fi
	fi
	plain redis-cli -p "$port" shutdown nosave >/dev/null 2>&1
	end_of "$server" 10
	same "$1: redis ends with status 0" 0 "$?"
}

all() { # CASE [BUFFERS BYTES]: what the dump of redis may show at most
	under "$PYTHON" "$here/python_work.py" pipeline >"$TMP/$1.out" 2>"$TMP/$1-python.err"
	same "$1: python computes the same" "$(cat "$TMP/python.out")" "$(cat "$TMP/$1.out")"
	film under "$TMP/$1.ts" 2>"$TMP/$1-ffmpeg.err"
	same "$1: ffmpeg writes the same" "$(sha "$TMP/film.ts")" "$(sha "$TMP/$1.ts")"
	redis "$@"
}

WEIR_MAX_BUFFERS=50 all fifty-buffers 50 inf
WEIR_POOL_LIMIT=8M all eight-MiB inf $((8 << 20))
WEIR_MAX_BUFFERS=50 WEIR_POOL_LIMIT=8M WEIR_GC_INTERVAL=100ms WEIR_MONITOR_INTERVAL=100ms \
	WEIR_MAX_IDLE=100ms all everything-small 50 $((8 << 20))

# In a limit on the address space a smaller range is had, or none, which is said in a line.
# shellcheck disable=SC2034 # a mode, see lib.sh; as ulimit -v 440000
under_env=(prlimit --as=$((440000 * 1024)) "${under_env[@]}")
all address-space
under "$PYTHON" -c '
try:
    x = bytearray(500 << 20)
    print("got 500 MiB")
except MemoryError:
    print("MemoryError")
kept = [bytes(60000 + i) for i in range(1000)]
print(sum(len(piece) for piece in kept))
try:
    while True:
        kept.append(bytes(200000))
except MemoryError:
    del kept[500:]
print(len(kept), len(bytes(1000000)))' >"$TMP/full.out" 2>"$TMP/full.err"
same "a program that fills its address space is told so, and goes on" \
	"MemoryError 60499500 500 1000000" "$(tr '\n' ' ' <"$TMP/full.out" | sed 's/ $//')"

check_quiet "$TMP"/fifty*.err "$TMP"/eight*.err "$TMP"/everything*.err
finish
