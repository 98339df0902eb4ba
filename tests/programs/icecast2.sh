#!/bin/bash
# icecast2.sh -- icecast2 under the preload object passes a source's stream on to
# eight listeners without losing or changing a byte, also when it is asked for a
# dump in the middle. Started as root it gives up root first.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs icecast2 icecast2

port=$(free_port)
mkdir -m 0777 "$TMP/logs"
owner=
[ "$(id -u)" = 0 ] && owner="<changeowner><user>nobody</user><group>nogroup</group></changeowner>"
cat >"$TMP/icecast.xml" <<END
<icecast>
	<location>here</location>
	<admin>nobody@localhost</admin>
	<limits>
		<clients>40</clients><sources>4</sources>
		<queue-size>16777216</queue-size><burst-size>65535</burst-size>
		<client-timeout>30</client-timeout><header-timeout>15</header-timeout><source-timeout>10</source-timeout>
	</limits>
	<authentication>
		<source-password>in</source-password>
		<admin-user>admin</admin-user><admin-password>in</admin-password>
	</authentication>
	<hostname>localhost</hostname>
	<listen-socket><port>$port</port><bind-address>127.0.0.1</bind-address></listen-socket>
	<fileserve>0</fileserve>
	<paths>
		<basedir>/usr/share/icecast2</basedir><logdir>$TMP/logs</logdir>
		<webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>
	</paths>
	<logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>3</loglevel></logging>
	<security><chroot>0</chroot>$owner</security>
</icecast>
END
chmod 0644 "$TMP/icecast.xml"

start icecast under icecast2 -c "$TMP/icecast.xml"
server=$STARTED
check "icecast listens" until_listening "$port" "$server" || finish
stream() { plain "$PYTHON" "$here/icecast_stream.py" "$port" "$@"; }
check "eight listeners get every byte of a stream of 24 MiB" stream 24 8
stream 16 8 slow >"$TMP/slow.out" 2>&1 &
streamed=$!
sleep 1.5
is_weir && kill -USR1 "$server"
check_dump "a signal in the middle leaves a dump" signal icecast2 "$server" 1 100
wait "$streamed"
same "and the listeners have missed nothing" 0 "$?"
[ "$failures" = 0 ] || sed 's/^/# /' "$TMP/slow.out"
check "icecast has seen the sources and the listeners" \
	eval "[ \$(grep -c 'PUT /live' $TMP/logs/access.log) = 2 ] && [ \$(grep -c 'GET /live' $TMP/logs/access.log) = 16 ]"
kill -TERM "$server"
end_of "$server" 10
same "TERM ends it with status 0" 0 "$?"

check_quiet "$TMP/icecast.err" "$TMP"/logs/*
finish
