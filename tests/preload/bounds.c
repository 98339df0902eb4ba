/*
 * bounds.c -- how much memory the pool keeps, for how long, and what limits it.
 *
 * Settings are read at start, so each test runs this program again with its own.
 * What is there is seen from outside: resident pages as the kernel counts them,
 * buffers as a dump does. Times have room: a busy machine may be late, never early.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/common/harness.h"
#include "tests/common/pattern.h"
#include "tests/preload/work.h"

#define BUFFERS 1024
#define BUFFER_BYTES (64 * KIB)
#define BURST_KIB ((long)(BUFFERS * BUFFER_BYTES / KIB))
#define MAX_BUFFERS 50

enum { KEPT = 10, GONE, NOT_TAKEN };

static long resident_kib(void)
{
	return status_number("VmRSS:");
}

/* The clock is only looked at, and passes only run, while requests come. */
static void stream_for_ms(unsigned ms)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (unsigned i = 0; i < 1000; i++) {
			char *p = malloc(20000);

			if (p == NULL)
				abort();
			p[0] = 1;
			free(p);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < (long)ms);
}

/* A burst of 64 MiB comes and goes; whether most of it is resident after so long. */
static int burst_and_wait(unsigned ms, bool is_until_gone)
{
	static char *p[BUFFERS];
	long before = resident_kib();

	for (size_t i = 0; i < BUFFERS; i++) {
		p[i] = malloc(BUFFER_BYTES);
		if (p[i] == NULL)
			return NOT_TAKEN;
		memset(p[i], 1, BUFFER_BYTES);
	}
	if (resident_kib() < before + BURST_KIB * 7 / 8)
		return NOT_TAKEN;
	for (size_t i = 0; i < BUFFERS; i++)
		free(p[i]);
	for (unsigned waited = 0; waited < ms; waited += 50) {
		stream_for_ms(50);
		if (is_until_gone && resident_kib() < before + BURST_KIB / 4)
			return GONE;
	}
	return resident_kib() < before + BURST_KIB * 3 / 4 ? GONE : KEPT;
}

static char *take_frame(size_t bytes)
{
	char *p = malloc(bytes);

	if (p == NULL)
		abort();
	for (size_t k = 0; k < bytes; k += 4096)
		p[k] = 1;
	return p;
}

/*
 * Frames of 16 MiB, too large for the pool: the next one faults for few pages. Then they are
 * freed, and nothing but smaller ones comes, never a buffer of the pool: whether they went back.
 */
static int frames_come_and_go(void)
{
	struct rusage first, second;
	long before = resident_kib();
	char *p[4];

	free(take_frame(16 * MIB));
	getrusage(RUSAGE_SELF, &first);
	free(take_frame(16 * MIB));
	getrusage(RUSAGE_SELF, &second);
	if (second.ru_minflt - first.ru_minflt > 100)
		return NOT_TAKEN;
	for (size_t i = 0; i < ARRAY_LENGTH(p); i++)
		p[i] = take_frame(16 * MIB);
	if (resident_kib() < before + 4 * 16 * 1024 * 7 / 8)
		return NOT_TAKEN;
	for (size_t i = 0; i < ARRAY_LENGTH(p); i++)
		free(p[i]);
	for (unsigned waited = 0; waited < 12000; waited += 50) {
		free(take_frame(2 * MIB));
		sleep_ms(50);
		if (resident_kib() < before + 4 * 16 * 1024 / 4)
			return GONE;
	}
	return KEPT;
}

/* Many more than are allowed, of many sizes: 0 if none is lost, and MAX_BUFFERS - 10 at least were the pool's. */
static int pass_the_limit(void)
{
	static char *p[BUFFERS];
	uint64_t state = 7;

	for (unsigned round = 0; round < 40000; round++) {
		size_t i = random_next(&state) % 40, size = 4096 << random_next(&state) % 5;

		/* Some rounds with few, so that batches are taken, then more than there may be. */
		if (round % 4000 >= 2000)
			i = random_next(&state) % BUFFERS;
		free(p[i]);
		p[i] = malloc(size);
		if (p[i] == NULL)
			return NOT_TAKEN;
		memset(p[i], 1, size);
		if (round % 4000 == 1999)
			for (size_t k = 40; k < BUFFERS; k++) {
				free(p[k]);
				p[k] = NULL;
			}
		if (round % 4000 == 3999)
			raise(SIGUSR1);
	}
	for (size_t i = 0; i < BUFFERS; i++)
		free(p[i]);
	raise(SIGUSR1);
	return 0;
}

static int run_again(const char *inner, const char *const settings[][2], size_t count)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		for (size_t i = 0; i < count; i++)
			setenv(settings[i][0], settings[i][1], 1);
		execl("/proc/self/exe", "bounds", inner, (char *)NULL);
		_exit(127);
	}
	if (!EXPECT(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno))
		return -1;
	EXPECT(WIFEXITED(status), "status 0x%x", (unsigned)status);
	return WEXITSTATUS(status);
}

static bool is_weirs(void)
{
	if (!harness_is_under("weir"))
		harness_skip("the settings are Weir's");
	return harness_is_under("weir");
}

/* Demand is remembered for four windows of a fifth of the monitor interval. */
static void what_a_burst_needed_is_there_for_the_next_one(void)
{
	static const char *const settings[][2] = {{"WEIR_MONITOR_INTERVAL", "20s"}, {"WEIR_MAX_IDLE", "1h"}};

	if (is_weirs()) {
		int end = run_again("--inner-keep", settings, ARRAY_LENGTH(settings));

		EXPECT(end == KEPT, "%d", end);
	}
}

static void what_no_burst_asks_for_again_goes_back(void)
{
	static const char *const settings[][2] = {{"WEIR_MONITOR_INTERVAL", "1s"}, {"WEIR_MAX_IDLE", "1h"}};

	if (is_weirs()) {
		int end = run_again("--inner-gone", settings, ARRAY_LENGTH(settings));

		EXPECT(end == GONE, "%d", end);
	}
}

static void what_was_idle_for_too_long_goes_back_though_it_may_be_needed(void)
{
	static const char *const settings[][2] = {{"WEIR_MONITOR_INTERVAL", "20s"}, {"WEIR_MAX_IDLE", "1s"}};

	if (is_weirs()) {
		int end = run_again("--inner-gone", settings, ARRAY_LENGTH(settings));

		EXPECT(end == GONE, "%d", end);
	}
}

/* The number after "name": in a dump; -1 if it is not there. */
static long figure_of(const char *path, const char *name)
{
	static char text[1 << 20];
	char key[64];
	FILE *file = fopen(path, "re");
	size_t length = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;

	if (file != NULL)
		fclose(file);
	text[length] = '\0';
	snprintf(key, sizeof key, "\"%s\": ", name);
	const char *at = strstr(text, key);

	return at != NULL ? atol(at + strlen(key)) : -1;
}

static void no_more_buffers_than_allowed_are_in_the_pool(void)
{
	const char *folder = getenv("TEST_DUMPS");
	char pattern[512], limit[12];
	long most = 0;

	if (!is_weirs())
		return;
	REQUIRE(folder != NULL, "TEST_DUMPS");
	snprintf(pattern, sizeof pattern, "%s/bounds.%%n", folder);
	snprintf(limit, sizeof limit, "%d", MAX_BUFFERS);
	const char *const settings[][2] = {
	    {"WEIR_MAX_BUFFERS", limit}, {"WEIR_DUMP", pattern}, {"WEIR_DUMP_FORMAT", "json"}};

	EXPECT(run_again("--inner-limit", settings, ARRAY_LENGTH(settings)) == 0, "the child");
	for (unsigned n = 1; n <= 11; n++) {
		char path[600];

		snprintf(path, sizeof path, "%s/bounds.%u.json", folder, n);
		long count = figure_of(path, "buffer_count");

		EXPECT(count >= 0 && count <= MAX_BUFFERS, "dump %u: %ld buffers", n, count);
		if (count > most)
			most = count;
	}
	EXPECT(most > MAX_BUFFERS / 2, "the limit was never near: %ld buffers", most);
}

/*
 * Every other one first: then each of the rest has a free neighbour on both sides to join.
 * What caches hold stays whole, and lies in the way of some of the large ones.
 */
static void freed_neighbours_join_and_serve_larger_buffers(void)
{
	static char *p[BUFFERS];
	char *first = (char *)UINTPTR_MAX, *last = NULL;
	size_t within = 0, large = BUFFERS * BUFFER_BYTES / MIB;

	if (!is_weirs())
		return;
	for (size_t i = 0; i < BUFFERS; i++) {
		p[i] = malloc(BUFFER_BYTES);
		REQUIRE(p[i] != NULL, "buffer %zu", i);
		if (p[i] < first)
			first = p[i];
		if (p[i] > last)
			last = p[i];
	}
	for (size_t i = 0; i < BUFFERS; i += 2)
		free(p[i]);
	for (size_t i = 1; i < BUFFERS; i += 2)
		free(p[i]);
	for (size_t i = 0; i < large; i++) {
		p[i] = malloc(MIB);
		REQUIRE(p[i] != NULL, "buffer %zu", i);
		within += p[i] >= first && p[i] <= last;
	}
	for (size_t i = 0; i < large; i++)
		free(p[i]);
	EXPECT(
	    within >= large / 4, "%zu of %zu buffers of 1 MiB lie where those of 64 KiB were", within, large);
}

static void a_frame_finds_the_pages_of_the_one_before_and_frames_that_end_go_back(void)
{
	static const char *const settings[][2] = {{"WEIR_MONITOR_INTERVAL", "1s"}, {"WEIR_MAX_IDLE", "1h"}};

	if (is_weirs()) {
		int end = run_again("--inner-frames", settings, ARRAY_LENGTH(settings));

		EXPECT(end == GONE, "%d", end);
	}
}

static const struct test tests[] = {
    {"what_a_burst_needed_is_there_for_the_next_one", what_a_burst_needed_is_there_for_the_next_one, 0},
    {"what_no_burst_asks_for_again_goes_back", what_no_burst_asks_for_again_goes_back, 0},
    {"what_was_idle_for_too_long_goes_back_though_it_may_be_needed",
	what_was_idle_for_too_long_goes_back_though_it_may_be_needed, 0},
    {"a_frame_finds_the_pages_of_the_one_before_and_frames_that_end_go_back",
	a_frame_finds_the_pages_of_the_one_before_and_frames_that_end_go_back, 0},
    {"freed_neighbours_join_and_serve_larger_buffers", freed_neighbours_join_and_serve_larger_buffers, 0},
    {"no_more_buffers_than_allowed_are_in_the_pool", no_more_buffers_than_allowed_are_in_the_pool, 0},
};

int main(int argc, char **argv)
{
	const struct suite suites[] = {SUITE(tests)};

	if (argc == 2 && strcmp(argv[1], "--inner-keep") == 0)
		return burst_and_wait(6000, false);
	if (argc == 2 && strcmp(argv[1], "--inner-gone") == 0)
		return burst_and_wait(12000, true);
	if (argc == 2 && strcmp(argv[1], "--inner-frames") == 0)
		return frames_come_and_go();
	if (argc == 2 && strcmp(argv[1], "--inner-limit") == 0)
		return pass_the_limit();
	return harness_run(argc, argv, suites, 1);
}
