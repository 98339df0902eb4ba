#!/bin/bash
# cost.sh -- what tracking costs redis, nginx and ffmpeg, and what Weir as a whole costs
# programs that allocate mostly small; in instructions of user code, counted by callgrind.
#
# Two runs that differ in the number of requests: the difference leaves start and end out.
#
# How many samples there are is a matter of time: sampler.h has a budget for a second. Under
# valgrind a second is 30 to 50 times shorter, in instructions, than it is, so samples are not
# counted there; every allocation is one (WEIR_SAMPLE_INTERVAL=1), so what a sample costs is (stack, site, birth and death, as they are on the real stacks
# of that program), and what a request executes. The budget is then shared out by the time of a request: on one
# busy processor, which is where a share of its instructions means something, 1/t requests
# fall in a second. t is the processor time of a request, measured natively (user and system, the best of
# five runs): it is written down below, so that the test does not depend on the machine.
# Ticks would fall into one run or the other, so there are none; natively one of some 400,000 instructions comes
# every ten seconds: 0.01%.
# A process that idles may have ten times as many samples, 0.3% of a processor.
#
# The small ones are compared with jemalloc preloaded alone. A second is made 15.6 seconds
# long for them (WEIR_TIME_SCALE), as they run that much longer and more, so that they have the samples of a native
# run. valgrind has no restartable sequences: what the pool executes for want of them is left out.
#
# cost.sh natively    instead: t and samples a request of redis and nginx, on this machine, in full load

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs valgrind valgrind
needs redis-server redis-server
needs redis-tools redis-benchmark
needs nginx-light nginx
needs ffmpeg ffmpeg
needs sqlite3 sqlite3
needs curl curl

header=$here/../../src/track/sampler.h
peer=$(ldd "$TEST_OBJECT" 2>/dev/null | sed -n 's/.*libjemalloc[^ ]* => \([^ ]*\).*/\1/p')
peer=${peer:-$(ldconfig -p | sed -n 's/.*libjemalloc\.so\.2 .*=> //p' | head -n 1)}
cost() { "$PYTHON" "$here/cost_count.py" "$@"; }
# shellcheck disable=SC2034 # a mode, see lib.sh
counted_env=(env "LD_PRELOAD=$TEST_OBJECT" "WEIR_DUMP=$DUMPS/%e.%p.%n" WEIR_SAMPLE_INTERVAL=1 \
	WEIR_MONITOR_INTERVAL=1h WEIR_GC_INTERVAL=1h)
valgrind=(valgrind --tool=callgrind)

# ---- servers ----

port=$(free_port)
back=$(free_port)
mkdir -m 0755 "$TMP/root"
head -c 65536 /dev/urandom >"$TMP/root/64k"
head -c 1048576 /dev/urandom >"$TMP/root/1m"
nginx_conf() { # NAME PORT LOCATION
	cat >"$TMP/$1.conf" <<-END
		worker_processes 1;
		master_process off;
		daemon off;
		pid $TMP/$1.pid;
		error_log $TMP/$1.log;
		events { worker_connections 64; }
		http {
			access_log off;
			keepalive_requests 1000000;
			client_body_temp_path $TMP/$1.body;
			proxy_temp_path $TMP/$1.proxy;
			fastcgi_temp_path $TMP/$1.fastcgi;
			uwsgi_temp_path $TMP/$1.uwsgi;
			scgi_temp_path $TMP/$1.scgi;
			upstream back { server 127.0.0.1:$back; keepalive 8; }
			server { listen 127.0.0.1:$2; root $TMP/root; $3 }
		}
	END
}
[ "$(id -u)" = 0 ] && chmod 0755 "$TMP"
nginx_conf back "$back" ""
nginx_conf front "$port" "location / { proxy_pass http://back/; proxy_http_version 1.1; proxy_set_header Connection \"\";
	proxy_buffer_size 64k; proxy_buffers 16 64k; proxy_busy_buffers_size 512k; }"
start back plain nginx -p "$TMP" -c "$TMP/back.conf" -e "$TMP/back.log"
check "the upstream listens" until_listening "$back" "$STARTED" || finish
# Read through name references.
# shellcheck disable=SC2034
nginx_server=(nginx -p "$TMP" -c "$TMP/front.conf" -e "$TMP/front.log")
# shellcheck disable=SC2034
redis_server=(redis-server --bind 127.0.0.1 --port "$port" --dir "$TMP" --save "" --appendonly no --hz 1 --dynamic-hz no)

set_values() { # BYTES COUNT
	plain redis-benchmark -p "$port" -d "$1" -n "$2" -c 8 -r 300 -t set -q >/dev/null
}
get_files() { # NAME COUNT
	plain curl -s -o /dev/null "http://127.0.0.1:$port/$1?[1-$2]"
}

# The server counted over so many requests; its counts are in $TMP/NAME.
counted() { # NAME SERVER LOAD ARGUMENT COUNT
	local -n server=$2_server
	start "$1" counted "${valgrind[@]}" --callgrind-out-file="$TMP/$1" "${server[@]}"
	until_listening "$port" "$STARTED" && "$3" "$4" "$5"
	# nginx finds a signal that comes just before it waits for events when the next one comes.
	local tries
	for ((tries = 0; tries < 60; tries++)); do
		kill -TERM "$STARTED" 2>/dev/null || break
		sleep 0.5
	done
	end_of "$STARTED" 20
}

# ---- natively ----

cpu_ns() { cat "/proc/$1"/task/*/schedstat | awk '{ sum += $1 } END { printf "%d", sum }'; }
stacks() {
	plain "${TEST_BUILD_DIR:?}/weir" dump -f json -o - "$1" | sed -n 's/.*"stacks_captured": *\([0-9]*\).*/\1/p'
}
natively() { # NAME SERVER LOAD ARGUMENT COUNT
	local -n server=$2_server
	local before best=999999999 all=0 now first
	start "$1" under env WEIR_MONITOR_INTERVAL=100ms "${server[@]}"
	until_listening "$port" "$STARTED" || return
	"$3" "$4" "$5"
	first=$(stacks "$STARTED")
	for _ in 1 2 3 4 5; do
		before=$(cpu_ns "$STARTED")
		"$3" "$4" "$5"
		now=$((($(cpu_ns "$STARTED") - before) / $5))
		best=$((now < best ? now : best)) all=$((all + $5))
	done
	note "$1: $((best / 1000)) us of a processor a request; $(($(stacks "$STARTED") - first)) stacks in $all requests"
	kill -TERM "$STARTED"
	end_of "$STARTED" 10
}
if [ "${1:-}" = natively ]; then
	natively "redis, values of 64 KiB" redis set_values 65536 20000
	natively "redis, values of 1000 bytes" redis set_values 1000 40000
	natively "nginx, bodies of 64 KiB" nginx get_files 64k 5000
	natively "nginx, bodies of 1 MiB" nginx get_files 1m 1000
	finish
fi

# ---- the share of tracking ----

judge() { # NAME FILE COUNT CPU_US
	local others samples each share
	read -r others samples each share < <(cost requests "$TMP/$2-few" "$TMP/$2-many" "$3" "$header" "$4")
	note "$1: $others instructions and $samples samples, of $each instructions each; $share% in full load"
	check "$1: there were samples" awk "BEGIN { exit !($samples > 0.5 && $others > 2000) }" || return
	check "$1: a sample costs at most 3,500 instructions" test "$each" -le 3500
	check "$1: on a busy processor tracking adds at most 1% of instructions" awk "BEGIN { exit !($share <= 1) }"
}

serve() { # NAME FILE SERVER LOAD ARGUMENT FEW MANY CPU_US
	counted "$2-few" "$3" "$4" "$5" "$6"
	counted "$2-many" "$3" "$4" "$5" "$7"
	judge "$1" "$2" $(($7 - $6)) "$8"
}
serve "redis, values of 64 KiB" values redis set_values 65536 300 900 14
serve "redis, values of 1000 bytes" small redis set_values 1000 500 4500 7
serve "nginx, bodies of 64 KiB" bodies nginx get_files 64k 100 400 30
serve "nginx, bodies of 1 MiB" large nginx get_files 1m 20 80 267

frames() { # NAME FRAMES
	plain "${counted_env[@]}" "${valgrind[@]}" --callgrind-out-file="$TMP/$1" \
		ffmpeg -nostdin -v error -filter_threads 1 -f lavfi -i testsrc=size=320x240:rate=25 -frames:v "$2" \
		-c:v mpeg2video -threads 1 -f mpegts -y /dev/null >/dev/null 2>"$TMP/$1.err"
}
frames frames-few 5
frames frames-many 25
judge "ffmpeg, frames of 320x240" frames 20 816

# ---- small ones ----

size() { # NAME OBJECT COMMAND...
	local name=$1 object=$2
	shift 2
	LIMIT=120 plain env "LD_PRELOAD=$object" WEIR_TIME_SCALE=0.001 WEIR_DUMP="$DUMPS/%p.%n" "${valgrind[@]}" \
		--callgrind-out-file="$TMP/$name" "$@" >"$TMP/$name.out" 2>"$TMP/$name.err"
}
inputs() { # KIND FEW MANY
	cost write "$1" "$2" >"$TMP/$1-few.in"
	cost write "$1" "$3" >"$TMP/$1-many.in"
}
# Sets more: percent, with tracking on.
compare() { # KIND COMMAND...: the input's name is put in for INPUT
	local kind=$1 which side
	shift
	for which in few many; do
		for side in peer ours; do
			object=$peer
			rm -f "$TMP"/*.in.db
			[ "$side" = ours ] && object=$TEST_OBJECT
			size "$kind-$which-$side" "$object" "${@//INPUT/$TMP/$kind-$which.in}"
		done
		check "$kind, $which: its output is the same" cmp "$TMP/$kind-$which-peer.out" "$TMP/$kind-$which-ours.out"
	done
	read -r more locks < <(cost ratio "$TMP/$kind-few-peer" "$TMP/$kind-many-peer" \
		"$TMP/$kind-few-ours" "$TMP/$kind-many-ours")
	note "$kind: $more% more instructions than with jemalloc, and $locks% for want of restartable sequences"
}
inputs json 2000 8000
compare json "$PYTHON" INPUT
check "python: at most 1% more instructions than with jemalloc, tracking on" awk "BEGIN { exit !(${more:-9} <= 1) }"
inputs sql 5000 40000
compare sql sqlite3 INPUT.db ".read INPUT"
check "sqlite3: at most 1% more instructions than with jemalloc, tracking on" awk "BEGIN { exit !(${more:-9} <= 1) }"
inputs c 10 60
compare c "$(plain gcc -print-prog-name=cc1)" -quiet -O2 INPUT -o -
check "cc1: at most 1% more instructions than with jemalloc, tracking on" awk "BEGIN { exit !(${more:-9} <= 1) }"
finish
