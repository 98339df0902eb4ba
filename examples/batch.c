/*
 * batch.c -- tokens from stdin to stdout, in batches: what weir_batcher_create(3) shows.
 *
 *	some-program | batch
 *
 * Whatever a read brings is a token. It goes out with what else came within 20 ms, or as
 * soon as 64 KiB are there, and when the reader of stdout is slow it waits here, up to 1 MiB.
 */
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <weir.h>

static int64_t flush(void *context, const struct weir_batch *batch)
{
	(void)context;
	/* How much was taken, or -1: both are what weir wants to know. */
	return writev(STDOUT_FILENO, batch->spans, batch->span_count);
}

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Until the next thing is due: milliseconds, rounded up, as poll() wants them. */
static int time_out(struct weir_batcher *batcher)
{
	uint64_t next = weir_batcher_next_ns(batcher), now = now_ns();

	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : (int)((next - now + 999999) / 1000000);
}

static int relay(struct weir_batcher *batcher, weir_stream stream)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char token[4096];
	ssize_t got;
	int r = 0;

	for (;;) {
		weir_batcher_maintain(batcher, now_ns());
		/* While the backlog is full nothing is read: whoever writes to us waits. */
		input.fd = weir_stream_pending(batcher, stream) > 900000 ? -1 : STDIN_FILENO;
		if (poll(&input, 1, time_out(batcher)) <= 0 || input.fd < 0)
			continue;
		got = read(STDIN_FILENO, token, sizeof(token));
		if (got <= 0)
			break;
		r = weir_stream_add(batcher, stream, token, (size_t)got);
		if (r != 0)
			break;
	}
	/* What is there goes out before the stream closes, however long that takes. */
	if (weir_stream_close(batcher, stream, WEIR_CLOSE_DRAIN) == WEIR_ERROR_AGAIN)
		while (weir_stream_pending(batcher, stream) != 0) {
			poll(NULL, 0, time_out(batcher));
			weir_batcher_maintain(batcher, now_ns());
		}
	return r;
}

int main(void)
{
	struct weir_batcher_config config = weir_batcher_config_default();
	struct weir_pool *pool;
	struct weir_batcher *batcher = NULL;
	weir_stream stream;
	int r;

	config.flush = flush;
	config.max_tokens = 0;
	config.max_pending_bytes = 1 << 20;
	r = weir_pool_create(&pool, NULL);
	if (r == 0)
		r = weir_batcher_create(&batcher, pool, &config);
	if (r == 0)
		r = weir_stream_open(batcher, NULL, &stream);
	if (r == 0)
		r = relay(batcher, stream);
	if (r != 0)
		fprintf(stderr, "batch: %s\n", weir_strerror(r));
	weir_batcher_destroy(batcher);
	weir_pool_destroy(pool);
	return r != 0;
}
