/*
 * signals.c -- SIGUSR1 at random moments into eight threads that allocate flat out.
 *
 * signals COUNT: sends COUNT signals to itself, to the process or to one of the
 * threads, each when the dump before it is likely still being written or long
 * done. A thread that makes no progress for STALL_SECONDS ends the program.
 * Without Weir the signals go to a handler, so the program runs on any malloc.
 *
 * Prints how many signals were sent and how many replacements were made.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/common/pattern.h"

#define THREADS 8
#define BUFFERS 64
#define STALL_SECONDS 30

static atomic_ulong progress[THREADS]; /* relaxed; counts */
static atomic_bool is_over;	       /* relaxed; seen sooner or later */
static atomic_ulong handler_runs;      /* relaxed; a count */
static pthread_t threads[THREADS];

static void on_usr1(int number)
{
	(void)number;
	atomic_fetch_add_explicit(&handler_runs, 1, memory_order_relaxed);
}

static void *work(void *argument)
{
	uintptr_t self = (uintptr_t)argument;
	uint64_t state = self + 100;
	struct {
		unsigned char *p;
		size_t size;
	} buffers[BUFFERS] = {{NULL, 0}};

	while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
		size_t i = random_next(&state) % BUFFERS, size = random_size(&state, 20);

		if (buffers[i].p != NULL && (buffers[i].p[0] != (unsigned char)self ||
						buffers[i].p[buffers[i].size - 1] != (unsigned char)self)) {
			fprintf(stderr, "signals: a buffer was overwritten\n");
			_exit(1);
		}
		if (size % 5 == 0) {
			buffers[i].p = realloc(buffers[i].p, size);
		} else {
			errno = 4095;
			free(buffers[i].p);
			if (errno != 4095) {
				fprintf(stderr, "signals: free changed errno\n");
				_exit(1);
			}
			buffers[i].p = malloc(size);
		}
		if (buffers[i].p == NULL) {
			fprintf(stderr, "signals: no memory\n");
			_exit(1);
		}
		buffers[i].size = size;
		buffers[i].p[0] = buffers[i].p[size - 1] = (unsigned char)self;
		atomic_fetch_add_explicit(&progress[self], 1, memory_order_relaxed);
	}
	for (size_t i = 0; i < BUFFERS; i++)
		free(buffers[i].p);
	return NULL;
}

static void rest_us(uint64_t us)
{
	struct timespec rest = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

	while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
		;
}

/* Has every thread moved since the last look? */
static bool all_move(unsigned long *last)
{
	bool is_moving = true;

	for (size_t i = 0; i < THREADS; i++) {
		unsigned long now = atomic_load_explicit(&progress[i], memory_order_relaxed);

		is_moving = is_moving && now != last[i];
	}
	if (is_moving)
		for (size_t i = 0; i < THREADS; i++)
			last[i] = atomic_load_explicit(&progress[i], memory_order_relaxed);
	return is_moving;
}

static void wait_for_all(unsigned long *last, unsigned long sent)
{
	for (unsigned tries = 0; !all_move(last); tries++) {
		if (tries > STALL_SECONDS * 100) {
			fprintf(stderr, "signals: a thread stands still after %lu signals\n", sent);
			_exit(1);
		}
		rest_us(10000);
	}
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000, last[THREADS] = {0}, sum = 0;
	struct sigaction action = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
	uint64_t state = 2;

	if (sigaction(SIGUSR1, &action, NULL) != 0)
		return 1;
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
			return 1;
	for (unsigned long sent = 0; sent < count; sent++) {
		uint64_t whom = random_next(&state) % (THREADS + 4);
		int error = whom < THREADS ? pthread_kill(threads[whom], SIGUSR1) : kill(getpid(), SIGUSR1);

		if (error != 0)
			return 1;
		rest_us(random_next(&state) % 8 == 0 ? 0 : random_next(&state) % 6000);
		if (sent % 50 == 49)
			wait_for_all(last, sent + 1);
	}
	wait_for_all(last, count);
	atomic_store(&is_over, true);
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += atomic_load(&progress[i]);
	}
	printf("sent %lu handled %lu replacements %lu\n", count, atomic_load(&handler_runs), sum);
	return atomic_load(&handler_runs) > 0 ? 0 : 1;
}
