/*
 * busy.c -- a program with a busy call site that leaks: 2,000 buffers a second of real time, one in 25 never freed.
 *
 *	busy SECONDS [LEAK]
 *
 * For so many seconds of real time, and every LEAK-th buffer is lost (none, if it is not said). All others live
 * for milliseconds, which WEIR_TIME_SCALE makes seconds. Four other sites do as much and lose nothing.
 * It asks for a dump of itself by SIGUSR1 each second; on stdout:
 *
 *	site START END		where the leaking function is, as offsets in the program
 *	dump NUMBER leaked N	each dump that it asked for
 */
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BUFFERS_PER_MS 2
#define LIVING 16 /* of each site */
#define OTHERS 4

static uint64_t number = 88172645463325252u;

static size_t random_bytes(void)
{
	number ^= number << 13;
	number ^= number >> 7;
	number ^= number << 17;
	return 4096 + number % 8192;
}

static void *touched(void *p)
{
	if (p == NULL)
		abort();
	*(volatile char *)p = 1;
	return p;
}

/* In a section of its own, whose bounds the linker knows. */
extern const char __start_busy_site[], __stop_busy_site[];
static __attribute__((noinline, section("busy_site"))) void *take(void)
{
	return touched(malloc(random_bytes()));
}

/* Sites by their number, as recursion makes them. */
static __attribute__((noinline)) void *take_elsewhere(unsigned depth)
{
	static void *(*volatile again)(unsigned) = take_elsewhere;

	return touched(depth == 0 ? malloc(random_bytes()) : again(depth - 1));
}

static void serve(unsigned turn, unsigned leak)
{
	static void *living[LIVING], *elsewhere[OTHERS][LIVING];
	unsigned at = turn % LIVING;

	free(living[at]);
	living[at] = take();
	if (leak != 0 && turn % leak == 0)
		living[at] = NULL;
	for (unsigned i = 0; i < OTHERS; i++) {
		free(elsewhere[i][at]);
		elsewhere[i][at] = take_elsewhere(i);
	}
}

static int find_program(struct dl_phdr_info *info, size_t size, void *to)
{
	(void)size;
	*(uintptr_t *)to = info->dlpi_addr;
	return 1; /* the first is the program */
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 0,
		 leak = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	uint64_t start = now_ms();
	uintptr_t base = 0;
	unsigned turn = 0;

	dl_iterate_phdr(find_program, &base);
	printf("site 0x%jx 0x%jx\n", (uintmax_t)((uintptr_t)__start_busy_site - base),
	    (uintmax_t)((uintptr_t)__stop_busy_site - base));
	for (unsigned dumps = 1; dumps <= seconds;) {
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		while (turn < (now_ms() - start) * BUFFERS_PER_MS && turn < dumps * 1000 * BUFFERS_PER_MS)
			serve(++turn, leak);
		if (turn < dumps * 1000 * BUFFERS_PER_MS)
			continue;
		kill(getpid(), SIGUSR1);
		printf("dump %u leaked %u\n", dumps++, leak != 0 ? turn / leak : 0);
		fflush(stdout);
	}
	return 0;
}
