/*
 * shapes.c -- a program whose heap has one of the shapes that look like a leak and are none; or leaks as well.
 *
 *	shapes cache|startup|triple|queue [--seconds S] [--leak N] [--seed N] [--dump-seconds S] [--dump-leaks N]
 *
 * It serves requests, each with a buffer of 8 to 128 KiB from request_buffer() that lives for seconds. Beside
 * that
 *
 *	cache	keeps answers in a cache that is full after three fifths of the time, and then replaces;
 *	startup	keeps 50 buffers from its start, and 30 more that it loads a little later;
 *	triple	gets three times the requests from the middle on;
 *	queue	queues a quarter of what it answers; from 0.3 to 0.5 of the time what takes it away is half as fast as
 *		what brings it, and then twice as fast until the queue is short again.
 *
 * With --leak N every N-th buffer of request_buffer() is never freed. Seconds run WEIR_TIME_SCALE times
 * faster; a machine that stands still for long makes them fewer, not denser. With --dump-seconds or
 * --dump-leaks the program asks for a dump of itself by SIGUSR1 that often. On stdout:
 *
 *	site START END			where request_buffer() is, as offsets in the program
 *	dump NUMBER seconds S leaked N	each dump that it asked for
 *
 * One thread. SIGUSR1 to itself is delivered before kill() returns, so a line says what the dump has seen.
 */
#include <link.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_PER_SECOND 0.055
#define REQUEST_SECONDS 4.0
#define REQUESTS_MAX 4096
#define STARTUP_BUFFERS 50
#define LATER_BUFFERS 30
#define QUEUE_MAX 8192
#define STEP_SECONDS_MAX 20.0 /* a step that took longer counts as this */

enum shape { CACHE, STARTUP, TRIPLE, QUEUE };

static struct {
	enum shape shape;
	double seconds, dump_seconds;
	unsigned leak_every, dump_leaks;
	uint64_t random;
	double now, scale;
	unsigned long served, leaked, dumps;
	double next_dump;
	unsigned long next_dump_leaks;
} run = {.seconds = 3600, .scale = 1, .random = 88172645463325252u};

struct request {
	double ends;
	void *buffer;
};

static struct request requests[REQUESTS_MAX];
static unsigned request_count;

static uint64_t random64(void)
{
	run.random ^= run.random << 13;
	run.random ^= run.random >> 7;
	run.random ^= run.random << 17;
	return run.random;
}

static double random_share(void)
{
	return (double)(random64() >> 11) / 9007199254740992.0;
}

static size_t random_bytes(double least, double most)
{
	return (size_t)(least * pow(most / least, random_share()));
}

static void *touched(void *p)
{
	if (p == NULL)
		abort();
	*(volatile char *)p = 1;
	return p;
}

/* --- the call sites ---------------------------------------------------------- */

/* In a section of its own, whose bounds the linker knows. */
extern const char __start_request_site[], __stop_request_site[];
static __attribute__((noinline, section("request_site"))) void *request_buffer(void)
{
	return touched(malloc(random_bytes(8192, 131072)));
}

static __attribute__((noinline)) void *cache_entry(void)
{
	return touched(malloc(random_bytes(4096, 32768)));
}

static __attribute__((noinline)) void *startup_buffer(void)
{
	return touched(malloc(random_bytes(8192, 65536)));
}

static __attribute__((noinline)) void *later_buffer(void)
{
	return touched(malloc(random_bytes(8192, 65536)));
}

static __attribute__((noinline)) void *queue_entry(void)
{
	return touched(malloc(random_bytes(4096, 16384)));
}

/* --- the shapes -------------------------------------------------------------- */

static void serve_cache(void)
{
	static void *cache[1 << 16];
	static unsigned count;
	unsigned room = (unsigned)(0.6 * 0.3 * REQUESTS_PER_SECOND * run.seconds), at;

	if (random_share() > 0.3)
		return;
	at = count < room && count < sizeof(cache) / sizeof(cache[0]) ? count++
								      : (unsigned)(random64() % count);
	free(cache[at]);
	cache[at] = cache_entry();
}

static void *kept[STARTUP_BUFFERS + LATER_BUFFERS];

static void serve_startup(void)
{
	static unsigned count;

	while (count < STARTUP_BUFFERS)
		kept[count++] = startup_buffer();
	if (run.now > run.seconds * 0.1)
		while (count < STARTUP_BUFFERS + LATER_BUFFERS)
			kept[count++] = later_buffer();
}

static void serve_queue(void)
{
	static void *queue[QUEUE_MAX];
	static unsigned long in, out;
	static double taken;
	double share = run.now / run.seconds;
	double speed = share < 0.3 ? 1.2 : share < 0.5 ? 0.5 : 2;

	if (random_share() > 0.25)
		return;
	queue[in++ % QUEUE_MAX] = queue_entry();
	taken += speed;
	while ((taken >= 1 && out < in) || in - out == QUEUE_MAX) {
		free(queue[out++ % QUEUE_MAX]);
		taken -= 1;
	}
	if (taken > 1)
		taken = 1;
}

static double rate(void)
{
	if (run.shape != TRIPLE)
		return REQUESTS_PER_SECOND;
	return REQUESTS_PER_SECOND * (run.now < run.seconds / 2 ? 0.5 : 1.5);
}

static void serve(void)
{
	void *buffer = request_buffer();
	bool leaks = run.leak_every != 0 && ++run.served % run.leak_every == 0;
	double life = -log(1 - random_share()) * REQUEST_SECONDS * (random_share() < 0.01 ? 15 : 1);

	if (leaks)
		run.leaked++;
	else if (request_count == REQUESTS_MAX)
		free(buffer);
	else
		requests[request_count++] = (struct request){run.now + life, buffer};
	if (run.shape == CACHE)
		serve_cache();
	else if (run.shape == STARTUP)
		serve_startup();
	else if (run.shape == QUEUE)
		serve_queue();
}

static void end_requests(void)
{
	for (unsigned i = 0; i < request_count;) {
		if (requests[i].ends > run.now) {
			i++;
			continue;
		}
		free(requests[i].buffer);
		requests[i] = requests[--request_count];
	}
}

/* --- time, and what is said -------------------------------------------------- */

static double clock_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void dump(void)
{
	run.dumps++;
	kill(getpid(), SIGUSR1);
	printf("dump %lu seconds %.0f leaked %lu\n", run.dumps, run.now, run.leaked);
	fflush(stdout);
}

static void dump_if_due(void)
{
	if (run.dump_seconds > 0 && run.now >= run.next_dump) {
		run.next_dump = run.now + run.dump_seconds;
		dump();
	}
	if (run.dump_leaks > 0 && run.leaked >= run.next_dump_leaks) {
		run.next_dump_leaks = run.leaked + run.dump_leaks;
		dump();
	}
}

static int find_program(struct dl_phdr_info *info, size_t size, void *to)
{
	(void)size;
	*(uintptr_t *)to = info->dlpi_addr;
	return 1; /* the first is the program */
}

static void say_site(void)
{
	uintptr_t base = 0;
	dl_iterate_phdr(find_program, &base);
	printf("site 0x%jx 0x%jx\n", (uintmax_t)((uintptr_t)__start_request_site - base),
	    (uintmax_t)((uintptr_t)__stop_request_site - base));
	fflush(stdout);
}

static int usage(void)
{
	fputs("usage: shapes cache|startup|triple|queue [--seconds S] [--leak N] [--seed N]"
	      " [--dump-seconds S] [--dump-leaks N]\n",
	    stderr);
	return 2;
}

static bool read_arguments(int argc, char **argv)
{
	static const char *const names[] = {"cache", "startup", "triple", "queue"};
	const char *scale = getenv("WEIR_TIME_SCALE");
	unsigned shape = 0;

	while (shape < 4 && (argc < 2 || strcmp(argv[1], names[shape]) != 0))
		shape++;
	if (shape == 4 || argc % 2 != 0)
		return false;
	run.shape = (enum shape)shape;
	for (int i = 2; i < argc; i += 2) {
		double value = strtod(argv[i + 1], NULL);
		if (strcmp(argv[i], "--seconds") == 0)
			run.seconds = value;
		else if (strcmp(argv[i], "--leak") == 0)
			run.leak_every = (unsigned)value;
		else if (strcmp(argv[i], "--seed") == 0)
			run.random += (uint64_t)value * 0x9e3779b97f4a7c15u;
		else if (strcmp(argv[i], "--dump-seconds") == 0)
			run.dump_seconds = run.next_dump = value;
		else if (strcmp(argv[i], "--dump-leaks") == 0)
			run.next_dump_leaks = run.dump_leaks = (unsigned)value;
		else
			return false;
	}
	if (scale != NULL)
		run.scale = strtod(scale, NULL);
	return run.seconds > 0 && run.scale > 0;
}

int main(int argc, char **argv)
{
	double before, next_request = 0;

	if (!read_arguments(argc, argv))
		return usage();
	say_site();
	before = clock_seconds();
	while (run.now < run.seconds) {
		double now;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		now = clock_seconds();
		run.now += fmin((now - before) * run.scale, STEP_SECONDS_MAX);
		before = now;
		end_requests();
		for (; next_request <= run.now; next_request += -log(1 - random_share()) / rate())
			serve();
		dump_if_due();
	}
	return 0;
}
