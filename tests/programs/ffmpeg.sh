#!/bin/bash
# ffmpeg.sh -- ffmpeg gives the same bytes under the preload object as without it:
# three video codecs with audio, decoding again with four threads, mpegts segments,
# raw frames through a pipe. A dump taken in the middle of a paced run does not
# harm what it writes.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs ffmpeg ffmpeg

quiet=(-hide_banner -nostdin -loglevel error -y)
exact=(-flags:v +bitexact -flags:a +bitexact -fflags +bitexact -map_metadata -1)
picture=testsrc2=size=640x360:rate=25
tone=sine=frequency=440:sample_rate=48000

encode() { # MODE VIDEO AUDIO ENDING
	"$1" ffmpeg "${quiet[@]}" -f lavfi -i "$picture" -f lavfi -i "$tone" -t 4 \
		-c:v "$2" -g 25 -threads 4 -c:a "$3" "${exact[@]}" "$TMP/$1.$4" 2>>"$TMP/$1.err"
}

while read -r video audio ending; do
	encode plain "$video" "$audio" "$ending"
	encode under "$video" "$audio" "$ending"
	same "$video and $audio in .$ending: the same file" \
		"$(sha "$TMP/plain.$ending")" "$(sha "$TMP/under.$ending")"
done <<'END'
mpeg2video mp2 ts
mpeg4 aac mp4
libx264 aac mkv
ffv1 flac nut
END

transcode() { # MODE
	"$1" ffmpeg "${quiet[@]}" -threads 4 -i "$TMP/plain.ts" -vf scale=320:180 -c:v mpeg4 -b:v 1M \
		-threads 4 -c:a aac "${exact[@]}" "$TMP/$1-again.mp4" 2>>"$TMP/$1.err"
}
transcode plain
transcode under
same "decoding, scaling and encoding again with four threads: the same file" \
	"$(sha "$TMP/plain-again.mp4")" "$(sha "$TMP/under-again.mp4")"

segment() { # MODE
	mkdir "$TMP/$1-segments"
	"$1" ffmpeg "${quiet[@]}" -f lavfi -i "$picture" -f lavfi -i "$tone" -t 8 -c:v mpeg2video -g 25 \
		-threads 4 -c:a mp2 "${exact[@]}" -f segment -segment_format mpegts -segment_time 1 \
		-segment_list "$TMP/$1-segments/list.m3u8" "$TMP/$1-segments/%03d.ts" 2>>"$TMP/$1.err"
}
segment plain
segment under
same "mpegts segments: the same files" \
	"$(tree_sha "$TMP/plain-segments")" "$(tree_sha "$TMP/under-segments")"
check "there are eight segments and their list" test "$(find "$TMP/under-segments" -type f | wc -l)" = 9

raw() { # MODE: frames of 1.3 MiB from one ffmpeg to another
	"$1" ffmpeg "${quiet[@]}" -f lavfi -i testsrc2=size=1280x720:rate=25 -t 3 -pix_fmt yuv420p \
		-f rawvideo - 2>>"$TMP/$1.err" |
		"$1" ffmpeg "${quiet[@]}" -f rawvideo -video_size 1280x720 -pix_fmt yuv420p -i - \
			-vf scale=640:360 -pix_fmt rgb24 -f rawvideo - 2>>"$TMP/$1.err" | sha_in
}
same "raw frames through a pipe of two: the same bytes" "$(raw plain)" "$(raw under)"

paced() { # how the paced run is called; the first argument is -re or nothing
	printf '%s\0' ffmpeg "${quiet[@]}" "$@" -f lavfi -i "$picture" -f lavfi -i "$tone" -t 4 \
		-c:v mpeg2video -g 25 -threads 2 -c:a mp2 "${exact[@]}" -f mpegts
}
mapfile -d '' -t command < <(paced)
plain "${command[@]}" "$TMP/plain-paced.ts" 2>>"$TMP/plain.err"
mapfile -d '' -t command < <(paced -re)
start paced under "${command[@]}" "$TMP/under-paced.ts"
paced=$STARTED
until_true 10 test -s "$TMP/under-paced.ts"
sleep 0.5
if is_weir; then
	kill -USR1 "$paced"
	sleep 1
	kill -USR1 "$paced"
fi
check_dump "two signals in the middle of a run give two dumps" signal ffmpeg "$paced" 2 100
end_of "$paced" 20
same "ffmpeg that was asked for dumps ends with status 0" "0" "$?"
same "and has written the same file" "$(sha "$TMP/plain-paced.ts")" "$(sha "$TMP/under-paced.ts")"

check_quiet "$TMP/under.err" "$TMP/paced.err"
finish
