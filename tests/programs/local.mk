# Real programs give under Weir what they give without it. What they need is in
# tests/programs/packages; they run one at a time, since some of them measure.

tests_programs = \
	tests/programs/bash.sh \
	tests/programs/browser.sh \
	tests/programs/cost.sh \
	tests/programs/ffmpeg.sh \
	tests/programs/gcc.sh \
	tests/programs/git.sh \
	tests/programs/gstreamer.sh \
	tests/programs/haproxy.sh \
	tests/programs/icecast2.sh \
	tests/programs/limits.sh \
	tests/programs/nginx.sh \
	tests/programs/node.sh \
	tests/programs/pprof.sh \
	tests/programs/pressure.sh \
	tests/programs/prometheus.sh \
	tests/programs/pairs.sh \
	tests/programs/python3.sh \
	tests/programs/redis.sh \
	tests/programs/startup.sh \
	tests/programs/top.sh \
	tests/programs/varnish.sh

EXTRA_DIST += $(tests_programs) \
	tests/programs/.shellcheckrc \
	tests/programs/cost_count.py \
	tests/programs/dump_check.py \
	tests/programs/icecast_stream.py \
	tests/programs/leaker.c \
	tests/programs/lib.sh \
	tests/programs/node_buffers.js \
	tests/programs/node_server.js \
	tests/programs/packages \
	tests/programs/python_work.py \
	tests/programs/redis_values.py \
	tests/programs/streams.py
