/*
 * cell_stream.c -- steady streaming in real time, with bursts: what is faulted in again, what stays behind.
 *
 * Every stream has a thread that makes 25 frames a second (planes of one size, aligned as FFmpeg aligns them,
 * and a compressed packet of 4 KiB to 64 KiB) and another that frees them once WINDOW newer ones have come. Each
 * BURST_EVERY_S seconds a burst of frames comes at once, as after a stall of the network, and is worked off at
 * four frames a tick. After the last burst the streams go on; ten seconds later is the last look, and a second
 * after that the cell ends.
 * stream-1M: frames of 1280x720, two streams of one plane and two of three.
 * stream-32M: frames of 3840x2160, one stream of one plane of 31.6 MiB and one of three, 10 bits deep.
 *
 *   refault_percent  page faults after the first burst, less those by which RSS rose above its highest until
 *                    then, for each 100 pages written: what had been resident, and was given back too soon
 *   ns               of an allocation and a free together, in the mean; p999 and max of one call
 *   after_1s_mib, after_10s_mib, live_mib   RSS above the baseline that long after the last burst was worked
 *                    off, and the most that was live in the last second before the last look. Live bytes go up
 *                    and down by a frame of each stream at every tick; what is resident below that would have
 *                    to fault in again each time.
 *   series           time in ms since that moment : RSS : live bytes, both in MiB
 *
 * The threads wait for the clock; a maker that is late makes its frames late, but makes them all.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "bench.h"

#define TICK_NS UINT64_C(40000000)
#define TICKS_A_SECOND 25
#define WINDOW 8
#define CATCH_UP 4
#define BURST_EVERY_S 4
#define FIRST_BURST_S 2
#define COUNTED_FROM_S 4
#define LAST_BURST_S 18
#define AFTER_S 10
#define QUEUE 256
#define PLANES 3
#define STREAMS 4
#define SAMPLE_TICKS 4 /* 160 ms */
#define SAMPLES 256
#define PACKET_LOW (4 * BENCH_KIB)
#define PACKET_DOUBLINGS 4

struct frame {
	void *planes[PLANES];
	void *packet;
	size_t packet_bytes;
};

struct format {
	unsigned streams;
	unsigned burst_frames;
	size_t plane_bytes[STREAMS][PLANES]; /* of each stream; 0: no such plane */
};

struct stream {
	struct worker *maker, *user; /* each touched by its own thread */
	const size_t *plane_bytes;
	unsigned burst_frames;
	uint64_t spent_ns[2]; /* by the maker's calls and by the user's */
	uint64_t pages, buffers;
	int64_t late_live_bytes; /* the most that was live in the last second before the last look */
	/* Written by the maker, release; the user's acquire of it makes the frames below it visible. */
	_Alignas(128) _Atomic uint64_t made;
	_Atomic bool is_done; /* release after the last frame; acquire in the user */
	/* Written by the user, release; the maker's acquire of it frees the queue's places. */
	_Alignas(128) _Atomic uint64_t used;
	struct frame queue[QUEUE];
};

struct sample {
	uint64_t at_ns;
	size_t rss_bytes;
	int64_t live_bytes;
};

static const struct format format_720p = {
    .streams = 4,
    .burst_frames = 48,
    .plane_bytes = {{921600}, {921600}, {921600, 230400, 230400}, {921600, 230400, 230400}},
};
static const struct format format_2160p = {
    .streams = 2,
    .burst_frames = 12,
    .plane_bytes = {{33177600}, {16588800, 4147200, 4147200}},
};

static struct stream streams[STREAMS];
static uint64_t start_ns;
static uint64_t look_tick, last_tick; /* of the last look, and the end */
static struct sample samples[SAMPLES];
static unsigned sample_count;

static void wait_for_tick(uint64_t tick)
{
	uint64_t at = start_ns + tick * TICK_NS;
	struct timespec until = {.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static void *frame_buffer(struct stream *stream, size_t size, bool is_plane)
{
	uint64_t from = measure_now_ns(), took;
	void *buf = NULL;

	if (!is_plane)
		buf = malloc(size);
	else if ((errno = posix_memalign(&buf, 64, size)) != 0)
		buf = NULL;
	took = measure_now_ns() - from;
	if (buf == NULL)
		measure_die("a frame's buffer");
	stream->spent_ns[0] += took;
	measure_tail_add(stream->maker, took);
	touch_pages(buf, size);
	live_add(stream->maker, (int64_t)size);
	stream->pages += (size + BENCH_PAGE - 1) / BENCH_PAGE;
	stream->buffers++;
	return buf;
}

static void frame_release(struct stream *stream, void *buf, size_t size)
{
	uint64_t from, took;

	read_pages(buf, size);
	from = measure_now_ns();
	free(buf);
	took = measure_now_ns() - from;
	stream->spent_ns[1] += took;
	measure_tail_add(stream->user, took);
	live_add(stream->user, -(int64_t)size);
}

static void make_frame(struct stream *stream, uint64_t tick)
{
	uint64_t made = atomic_load_explicit(&stream->made, memory_order_relaxed); /* own */
	struct frame *frame = &stream->queue[made % QUEUE];

	/* A user that the machine holds up is waited for. */
	while (made - atomic_load_explicit(&stream->used, memory_order_acquire) >= QUEUE)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	frame->packet_bytes = rng_size(stream->maker, PACKET_LOW, PACKET_DOUBLINGS);
	frame->packet = frame_buffer(stream, frame->packet_bytes, false);
	for (unsigned p = 0; p < PLANES && stream->plane_bytes[p] != 0; p++)
		frame->planes[p] = frame_buffer(stream, stream->plane_bytes[p], true);
	live_look(stream->maker);
	if (tick <= look_tick && tick + TICKS_A_SECOND >= look_tick) {
		int64_t live = live_sum(stream->maker->run);

		if (live > stream->late_live_bytes)
			stream->late_live_bytes = live;
	}
	atomic_store_explicit(&stream->made, made + 1, memory_order_release);
}

/* Frees the oldest frame, if more than `keep` wait. */
static bool use_frame(struct stream *stream, uint64_t window)
{
	uint64_t used = atomic_load_explicit(&stream->used, memory_order_relaxed); /* own */
	struct frame *frame = &stream->queue[used % QUEUE];

	if (atomic_load_explicit(&stream->made, memory_order_acquire) - used <= window)
		return false;
	frame_release(stream, frame->packet, frame->packet_bytes);
	for (unsigned p = 0; p < PLANES && stream->plane_bytes[p] != 0; p++)
		frame_release(stream, frame->planes[p], stream->plane_bytes[p]);
	atomic_store_explicit(&stream->used, used + 1, memory_order_release);
	return true;
}

static bool is_burst(uint64_t tick)
{
	uint64_t second = tick / TICKS_A_SECOND;

	return tick % TICKS_A_SECOND == 0 && second >= FIRST_BURST_S && second <= LAST_BURST_S &&
	       (second - FIRST_BURST_S) % BURST_EVERY_S == 0;
}

static void *stream_maker(void *argument)
{
	struct stream *stream = argument;

	for (uint64_t tick = 0; tick < last_tick; tick++) {
		unsigned frames = is_burst(tick) ? stream->burst_frames : 1;

		wait_for_tick(tick);
		for (unsigned i = 0; i < frames; i++)
			make_frame(stream, tick);
	}
	atomic_store_explicit(&stream->is_done, true, memory_order_release);
	return NULL;
}

static void *stream_user(void *argument)
{
	struct stream *stream = argument;

	for (uint64_t tick = 0; !atomic_load_explicit(&stream->is_done, memory_order_acquire); tick++) {
		wait_for_tick(tick);
		for (unsigned i = 0; i < CATCH_UP && use_frame(stream, WINDOW); i++)
			;
	}
	while (use_frame(stream, 0))
		;
	return NULL;
}

static void take_sample(const struct run *run)
{
	struct sample *sample = &samples[sample_count++];

	*sample = (struct sample){.at_ns = measure_now_ns(), .rss_bytes = measure_rss_bytes()};
	sample->live_bytes = live_sum(run);
}

static uint64_t pages_written(unsigned count)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < count; i++)
		pages +=
		    __atomic_load_n(&streams[i].pages, __ATOMIC_RELAXED); /* a count; once while it grows */
	return pages;
}

static double above(size_t bytes, size_t baseline)
{
	return bytes < baseline ? 0 : (double)(bytes - baseline) / (double)BENCH_MIB;
}

static const struct sample *sample_at(uint64_t ns)
{
	unsigned i = 0;

	while (i + 1 < sample_count && samples[i + 1].at_ns <= ns)
		i++;
	return &samples[i];
}

static void print_stream(struct run *run, unsigned count, size_t baseline, uint64_t calm_ns, double refaults)
{
	uint64_t spent = 0, buffers = 0;
	int64_t peak_live = 0, late_live = 0;
	const struct sample *last = &samples[sample_count - 1];

	for (unsigned i = 0; i < count; i++) {
		spent += streams[i].spent_ns[0] + streams[i].spent_ns[1];
		buffers += streams[i].buffers;
		if (streams[i].maker->peak_live_bytes > peak_live)
			peak_live = streams[i].maker->peak_live_bytes;
		if (streams[i].late_live_bytes > late_live)
			late_live = streams[i].late_live_bytes;
	}
	printf("ops=%llu ns=%.1f refault_percent=%.3f rss_over_live=%.3f", (unsigned long long)buffers,
	    (double)spent / (double)buffers, refaults,
	    above(measure_peak_rss_bytes(), baseline) * (double)BENCH_MIB / (double)peak_live);
	printf(" after_1s_mib=%.1f after_10s_mib=%.1f live_mib=%.1f",
	    above(sample_at(calm_ns + 1000000000u)->rss_bytes, baseline), above(last->rss_bytes, baseline),
	    (double)late_live / (double)BENCH_MIB);
	printf(" p999=%llu max=%llu series=", (unsigned long long)measure_tail_quantile_ns(run, 0.999),
	    (unsigned long long)measure_tail_max_ns(run));
	for (unsigned i = 0; i < sample_count; i++)
		printf("%s%lld:%.1f:%.1f", i == 0 ? "" : ",",
		    ((long long)samples[i].at_ns - (long long)calm_ns) / 1000000,
		    above(samples[i].rss_bytes, baseline), (double)samples[i].live_bytes / (double)BENCH_MIB);
}

static void stream_whole(struct run *run)
{
	const struct format *format = run->cell->size == 0 ? &format_720p : &format_2160p;
	/* The last burst and what comes meanwhile, less what has to stay, at CATCH_UP a tick. */
	uint64_t calm_tick =
	    LAST_BURST_S * TICKS_A_SECOND + 1 + (format->burst_frames + CATCH_UP - 2) / (CATCH_UP - 1);
	uint64_t calm_ns, pages = 0, faults = 0;
	pthread_t threads[2 * STREAMS];
	size_t baseline, peak = 0, grown;
	double refaults;

	look_tick = calm_tick + AFTER_S * TICKS_A_SECOND;
	last_tick = look_tick + TICKS_A_SECOND;
	for (unsigned i = 0; i < format->streams; i++) {
		streams[i].maker = &run->worker[2 * i];
		streams[i].user = &run->worker[2 * i + 1];
		streams[i].plane_bytes = format->plane_bytes[i];
		streams[i].burst_frames = format->burst_frames;
		/* Their histograms are there before the baseline is read. */
		measure_tail_add(streams[i].maker, 0);
		measure_tail_add(streams[i].user, 0);
	}
	measure_reset_peak();
	baseline = measure_rss_bytes();
	start_ns = measure_now_ns() + TICK_NS;
	calm_ns = start_ns + calm_tick * TICK_NS;
	for (unsigned i = 0; i < format->streams; i++)
		if ((errno = pthread_create(&threads[2 * i], NULL, stream_maker, &streams[i])) != 0 ||
		    (errno = pthread_create(&threads[2 * i + 1], NULL, stream_user, &streams[i])) != 0)
			measure_die("pthread_create");
	for (uint64_t tick = 0; tick <= look_tick; tick += SAMPLE_TICKS) {
		wait_for_tick(tick);
		if (faults == 0 && tick >= COUNTED_FROM_S * TICKS_A_SECOND) {
			faults = measure_usage().minor_faults;
			pages = pages_written(format->streams);
			peak = measure_peak_rss_bytes();
		}
		take_sample(run);
	}
	faults = measure_usage().minor_faults - faults;
	pages = pages_written(format->streams) - pages;
	grown = (measure_peak_rss_bytes() - peak) / BENCH_PAGE;
	refaults = faults < grown ? 0 : (double)(faults - grown) * 100.0 / (double)pages;
	for (unsigned i = 0; i < 2 * format->streams; i++)
		pthread_join(threads[i], NULL);
	print_stream(run, format->streams, baseline, calm_ns, refaults);
}

#define STREAM(label, what, count, is_large)                                                                 \
	{                                                                                                    \
		.name = "stream-" label, .about = what, .workers = 2 * (count), .ops = 1, .size = is_large,  \
		.has_rss = true, .is_aside = true, .whole = stream_whole                                     \
	}

const struct cell cells_stream[] = {
    STREAM("1M", "4 streams of 720p at 25 fps in real time, a burst each 4 s, then 10 s without", 4, 0),
    STREAM("32M", "2 streams of 2160p likewise (WEIR_MAX_BUFFER_SIZE=64M)", 2, 1),
    {0},
};
