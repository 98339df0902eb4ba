#!/bin/bash
# gstreamer.sh -- pipelines of gstreamer with a thread behind each queue write the
# same bytes under the preload object as without it: raw frames of 4 KiB to 1.4 MiB,
# converted and scaled, two branches at once, and audio.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs gstreamer1.0-tools gst-launch-1.0 gst-inspect-1.0

# The registry of plugins is made once, in the temporary folder.
export GST_REGISTRY=$TMP/registry.bin GST_REGISTRY_FORK=no
for element in videotestsrc videoconvert videoscale audiotestsrc audioconvert audioresample; do
	plain gst-inspect-1.0 "$element" >/dev/null 2>&1 && continue
	if [ "${CI:-}" = true ]; then
		not_ok "$element of the package gstreamer1.0-plugins-base is installed"
		finish
	fi
	echo "1..0 # SKIP $element of the package gstreamer1.0-plugins-base is not installed"
	exit 0
done
export GST_REGISTRY_UPDATE=no

compare() { # NAME PIPELINE, writing to @.a, @.b, ...
	local mode status=0 elements
	for mode in plain under; do
		read -ra elements <<<"${2//@/$TMP\/$1-$mode}"
		"$mode" gst-launch-1.0 -q "${elements[@]}" 2>>"$TMP/$mode.err" || status=$?
	done
	same "$1: both end with status 0" 0 "$status"
	same "$1: the same bytes" "$(sha "$TMP/$1-plain".*)" "$(sha "$TMP/$1-under".*)"
}

compare "frames" "videotestsrc num-buffers=120 pattern=smpte ! video/x-raw,format=I420,width=640,height=480 \
	! queue ! videoconvert ! video/x-raw,format=RGB ! queue ! filesink location=@.a"
compare "scaled" "videotestsrc num-buffers=100 pattern=ball ! video/x-raw,width=1280,height=720 \
	! queue max-size-buffers=20 ! videoscale ! video/x-raw,width=320,height=180 ! queue ! videoconvert n-threads=2 \
	! video/x-raw,format=UYVY ! queue ! filesink location=@.a"
compare "branches" "videotestsrc num-buffers=100 ! video/x-raw,format=I420,width=320,height=240 ! tee name=t \
	t. ! queue ! videoconvert ! video/x-raw,format=BGRx ! queue ! filesink location=@.a \
	t. ! queue ! videoscale ! video/x-raw,width=64,height=48 ! queue ! filesink location=@.b"
compare "audio" "audiotestsrc num-buffers=400 samplesperbuffer=16384 wave=sine ! audio/x-raw,rate=48000,format=S16LE \
	! queue ! audioresample ! audio/x-raw,rate=44100 ! queue ! audioconvert ! audio/x-raw,format=F32LE \
	! queue ! filesink location=@.a"
note "$(du -ch "$TMP"/*-under.* | tail -n 1 | cut -f1) written under the object"

start signal under gst-launch-1.0 -q videotestsrc num-buffers=60 is-live=true \
	! video/x-raw,format=I420,width=640,height=480,framerate=30/1 \
	! queue ! videoconvert ! video/x-raw,format=RGB ! queue ! filesink "location=$TMP/signal-under.a"
until_true 10 test -s "$TMP/signal-under.a"
is_weir && kill -USR1 "$STARTED"
check_dump "a signal in the middle leaves a dump" signal '*' "$STARTED" 1 10
end_of "$STARTED" 15
same "the pipeline ends with status 0" 0 "$?"
same "and has written all 60 frames" $((60 * 640 * 480 * 3)) "$(stat -c %s "$TMP/signal-under.a")"

check_quiet "$TMP/under.err" "$TMP/signal.err"
finish
