#!/bin/bash
# nginx.sh -- nginx with a master and two workers serves right under the preload
# object: static files, and bodies of 64 KiB to 4 MiB proxied down and up, each one
# checked by its clients, while it is told to reload (HUP) and to open its logs anew
# (USR1). USR1 also makes each process that gets it, master or worker, leave a dump:
# the program's own handler still runs. QUIT ends it with status 0.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs nginx-light nginx
needs procps pgrep

front=$(free_port)
back=$(free_port)
streams=$here/streams.py
user=
[ "$(id -u)" = 0 ] && user="user www-data;"

mkdir -m 0755 "$TMP/root" "$TMP/root/static"
mkdir -m 0777 "$TMP/scratch" "$TMP/logs"
"$PYTHON" "$streams" write "$TMP/root/static" 65536 4194304

cat >"$TMP/nginx.conf" <<END
$user
worker_processes 2;
daemon off;
pid $TMP/nginx.pid;
error_log $TMP/logs/error.log notice;
events { worker_connections 256; }
http {
	access_log $TMP/logs/access.log;
	client_body_temp_path $TMP/scratch/body;
	proxy_temp_path $TMP/scratch/proxy;
	fastcgi_temp_path $TMP/scratch/fastcgi;
	uwsgi_temp_path $TMP/scratch/uwsgi;
	scgi_temp_path $TMP/scratch/scgi;
	client_max_body_size 16m;
	keepalive_requests 40;
	upstream back { server 127.0.0.1:$back; keepalive 8; }
	server {
		listen 127.0.0.1:$front;
		root $TMP/root;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		location /static/ { output_buffers 4 256k; }
		location /buffered/ {
			proxy_pass http://back/;
			proxy_buffer_size 64k;
			proxy_buffers 16 64k;
			proxy_busy_buffers_size 512k;
			client_body_buffer_size 1m;
		}
		location /passed/ {
			proxy_pass http://back/;
			proxy_buffer_size 128k;
			proxy_buffers 8 128k;
			proxy_buffering off;
			proxy_request_buffering off;
			client_body_buffer_size 256k;
		}
	}
}
END

start upstream plain "$PYTHON" "$streams" serve "$back"
check "the upstream listens" until_listening "$back" "$STARTED"
start nginx under nginx -p "$TMP" -c "$TMP/nginx.conf" -e "$TMP/logs/error.log"
master=$STARTED
check "nginx listens" until_listening "$front" "$master" || finish
has_workers() { [ "$(children_of "$master" | wc -w)" = "$1" ]; }
check "it has two workers" until_true 5 has_workers 2

load() { # PATH OPTION...
	plain "$PYTHON" "$streams" load "http://127.0.0.1:$front$1" "${@:2}"
}
check "static files come whole" load /static --seconds 2
check "bodies are proxied whole, down and up, through buffers" \
	load /buffered --methods GET,PUT,POST --seconds 3
check "bodies are proxied whole, down and up, as they come" \
	load /passed --methods GET,PUT,POST --seconds 3

# The signals under load. A reload replaces the workers; the old ones finish what they do.
before=$(children_of "$master")
load /buffered --methods GET,PUT --seconds 5 --clients 6 >"$TMP/load.out" 2>&1 &
loaded=$!
sleep 0.7
kill -HUP "$master"
has_new_workers() {
	local now worker
	now=" $(children_of "$master")"
	[ "$(wc -w <<<"$now")" -ge 2 ] || return 1
	for worker in $before; do
		[[ $now != *" $worker "* ]] || return 1
	done
}
check "a reload under load replaces both workers" until_true 15 has_new_workers
check "and leaves two" until_true 10 has_workers 2
mv "$TMP/logs/access.log" "$TMP/logs/access.old"
mv "$TMP/logs/error.log" "$TMP/logs/error.old"
kill -USR1 "$master"
check "USR1 makes nginx open its logs anew" until_true 5 test -e "$TMP/logs/access.log"
check "and workers write into them" until_true 5 test -s "$TMP/logs/access.log"
wait "$loaded"
same "every answer during the reload and the new logs was right" 0 "$?"
note "$(head -n 1 "$TMP/load.out")"
[ "$failures" = 0 ] || sed 's/^/# /' "$TMP/load.out"
is_settled() {
	local size
	size=$(stat -c %s "$TMP/logs/access.old") && sleep 0.3 &&
		[ "$size" = "$(stat -c %s "$TMP/logs/access.old")" ]
}
check "nothing more goes into the old log" is_settled

check_dump "the master has left a dump" signal nginx "$master" 1 1
# The master tells its workers through a socket; one that gets the signal itself does the same.
for worker in $(children_of "$master"); do
	kill -USR1 "$worker"
	check_dump "a worker has left a dump" signal nginx "$worker" 1 100
done
check "both workers are still there" has_workers 2
check "bodies still come whole after it" load /buffered --methods GET,PUT --seconds 1

workers=$(children_of "$master")
kill -QUIT "$master"
end_of "$master" 15
same "QUIT ends it with status 0" 0 "$?"
check "no worker of it is left" eval "[ -n '$workers' ] && ! kill -0 ${workers% }"
check "nothing died or went wrong inside" eval \
	"! grep -E '\\[(alert|crit|emerg)\\]|exited on signal' '$TMP'/logs/error.*"

check_quiet "$TMP/nginx.err" "$TMP"/logs/error.*
finish
