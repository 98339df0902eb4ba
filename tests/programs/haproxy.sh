#!/bin/bash
# haproxy.sh -- haproxy with four threads proxies bodies of 64 KiB to 1 MiB right
# under the preload object, up and down, with buffers of 64 KiB, rewritten headers
# and compression. SIGUSR1 is its soft stop: what is under way is finished, then it
# ends with status 0; it does so still, and leaves a dump. A master forwards the
# signal to its worker, which then does both.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs haproxy haproxy
needs curl curl
needs procps pgrep

front=$(free_port)
back=$(free_port)
streams=$here/streams.py
cat >"$TMP/haproxy.cfg" <<END
global
	nbthread 4
	tune.bufsize 65536
	maxconn 200
defaults
	mode http
	timeout connect 5s
	timeout client 20s
	timeout server 20s
	option http-buffer-request
frontend front
	bind 127.0.0.1:$front
	http-request set-header X-Long %[path,sha2(512),hex]
	compression algo gzip
	default_backend back
backend back
	http-reuse always
	server upstream 127.0.0.1:$back
END

start upstream plain "$PYTHON" "$streams" serve "$back"
check "the upstream listens" until_listening "$back" "$STARTED"
load() { plain "$PYTHON" "$streams" load "http://127.0.0.1:$front" --most 1048576 "$@"; }

# A client that reads slowly, so that its answer is under way when the signal comes.
slow() { # SIZE FILE
	plain curl -sS --limit-rate 1500k -o "$2" "http://127.0.0.1:$front/$1" 2>>"$TMP/slow.err"
}

serve() { # NAME OPTION
	start "$1" under haproxy "$2" -f "$TMP/haproxy.cfg"
	check "haproxy $2 listens" until_listening "$front" "$STARTED" || finish
}

soft_stop() { # NAME PID OF THE ONE THAT GETS IT
	slow 4000000 "$TMP/$1.body" &
	local client=$!
	until_true 5 test -s "$TMP/$1.body"
	kill -USR1 "$2"
	wait "$client"
	same "an answer under way when SIGUSR1 comes is finished ($1)" \
		"$(plain curl -sS "http://127.0.0.1:$back/4000000" | sha_in)" "$(sha "$TMP/$1.body")"
}

serve single -db
single=$STARTED
check "bodies are proxied whole, down and up" load --methods GET,PUT,POST --seconds 4
check "with a connection each, too" load --fresh --clients 12 --seconds 2
soft_stop single "$single"
check_dump "the signal leaves a dump" signal haproxy "$single" 1 1
end_of "$single" 15
same "and ends haproxy with status 0" 0 "$?"
check "nobody listens any more" eval "! can_connect $front"

serve master -W
master=$STARTED
check "the master has a worker" until_true 5 pgrep -P "$master"
worker=$(pgrep -P "$master")
check "bodies are proxied whole by the worker" load --methods GET,PUT --seconds 2
soft_stop master "$master"
check_dump "the signal leaves a dump of the master" signal haproxy "$master" 1 1
check_dump "and one of its worker" signal haproxy "$worker" 1 1
end_of "$master" 15
same "and ends both with status 0" 0 "$?"

check_quiet "$TMP/single.err" "$TMP/master.err"
finish
