#!/bin/bash
# demo.sh BUILD_DIR -- a video streams through ffmpeg under Weir; a signal in the
# middle shows what Weir knows by then.
set -euo pipefail

build=$1
scratch=$(mktemp -d)
dumps=$build/demo
rm -rf "$dumps"
mkdir "$dumps"
ffmpeg_pid=
finish()
{
	if [ -n "$ffmpeg_pid" ]; then
		kill "$ffmpeg_pid" 2>/dev/null || true
		wait "$ffmpeg_pid" 2>/dev/null || true
	fi
	rm -rf "$scratch"
}
trap finish EXIT

seconds=8
command=(ffmpeg -nostdin -hide_banner -loglevel warning
	-re -f lavfi -i "testsrc2=size=1280x720:rate=30:duration=$seconds"
	-re -f lavfi -i "sine=frequency=440:duration=$seconds"
	-c:v mpeg2video -b:v 4M -threads 4 -c:a mp2 -f mpegts "$scratch/stream.ts")

cat <<TEXT
An encoder that streams for $seconds seconds at the speed of life, under Weir:

  weir run -- ${command[*]}

TEXT
# The dump stays in the build directory; every other setting is as it comes.
env WEIR_DUMP="$dumps/dump.%p.%n" "$build/weir" run -- "${command[@]}" 2>"$scratch/said" &
ffmpeg_pid=$!

sleep $((seconds / 2))
echo "In the middle of it: kill -USR1 $ffmpeg_pid"
kill -USR1 "$ffmpeg_pid"

# The path is announced by one line on stderr.
dump=
for _ in $(seq 50); do
	dump=$(sed -nE "s|^weir\[[0-9]+\]:.*($dumps/dump[^ ]*).*|\1|p" "$scratch/said" | head -n 1)
	[ -z "$dump" ] || break
	sleep 0.1
done
if [ -z "$dump" ] || [ ! -s "$dump" ]; then
	echo "demo: no dump came. On stderr there is:" >&2
	cat "$scratch/said" >&2
	exit 1
fi
echo
sed 's/^/    /' "$scratch/said"
echo
# Sections are cut short here: every buffer and setting would be pages.
awk '/^[^ ]/ { n = 0 } /^Settings/ { n = 9 } { n++ }
	n <= 13 || /^$/ { print } n == 14 && !/^$/ { print "  ..." }' "$dump"
cat <<TEXT

What to look at (the whole dump is $dump):
  pool, limit      what the program holds of the pool, and how far that is from its limit
  requests         the share that found a buffer ready; it grows as the stream goes on
  pressure         how scarce memory is, and who says so
  What to do       advice, only where the figures call for it
  Size classes     which sizes stream, in use and idle
  Longest in use   what the program has held longest, with its ages: where a leak shows
  Heap             what lies idle, resident (hot) or given back to the kernel (cold)

TEXT

status=0
wait "$ffmpeg_pid" || status=$?
ffmpeg_pid=
if [ $status != 0 ]; then
	echo "demo: ffmpeg ended with status $status:" >&2
	cat "$scratch/said" >&2
	exit 1
fi
bytes=$(stat -c %s "$scratch/stream.ts")
echo "ffmpeg went on to the end of its stream: $bytes bytes of MPEG-TS, exit status 0."
echo "Your own program: ./dev run -- CMD ARGS, then kill -USR1 its pid."
