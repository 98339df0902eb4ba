/*
 * late.c -- frees and mallocs after main: by atexit, by destructors, by the
 * destructors of thread-specific data (in a thread's end, when the allocator's
 * own may be gone), and by threads that still run while the process exits.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_key_t keys[8];
static void *kept[16];

static void use(size_t size)
{
	unsigned char *p = malloc(size), *q = calloc(1, size);

	if (p == NULL || q == NULL || q[size - 1] != 0)
		_exit(40);
	memset(p, 1, size);
	free(q);
	free(realloc(p, size * 2));
}

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(41);
}

/* Sets its key again, up to PTHREAD_DESTRUCTOR_ITERATIONS times: the last round runs after everybody's first. */
static void end_of_thread(void *value)
{
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (pthread_getspecific(keys[i]) == NULL && i == (size_t)(*(unsigned char *)value % 8))
			pthread_setspecific(keys[i], malloc(50000));
	use(60000);
	free(value);
}

static void *live(void *argument)
{
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		unsigned char *value = malloc(5000 + i * 9000);

		*value = (unsigned char)i;
		pthread_setspecific(keys[i], value);
	}
	use(100000);
	return argument;
}

static void *run_for_ever(void *argument)
{
	for (;;)
		use((size_t)argument);
	return NULL;
}

static void at_exit(void)
{
	for (size_t i = 0; i < 8; i++)
		free(kept[i]);
	use(200000);
	say("late: atexit\n");
}

__attribute__((destructor)) static void destroy(void)
{
	for (size_t i = 8; i < 16; i++)
		free(kept[i]);
	use(300000);
	say("late: destructor\n");
}

__attribute__((destructor(101))) static void destroy_last(void)
{
	use(5000);
	say("late: last destructor\n");
}

int main(void)
{
	for (size_t i = 0; i < 16; i++)
		kept[i] = malloc(i * 20000 + 1);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (pthread_key_create(&keys[i], end_of_thread) != 0)
			return 1;
	if (atexit(at_exit) != 0)
		return 1;
	for (int round = 0; round < 50; round++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, live, NULL) != 0)
			return 1;
		pthread_join(thread, NULL);
	}
	for (size_t size = 3000; size < 1000000; size *= 7) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, run_for_ever, (void *)size) != 0)
			return 1;
		pthread_detach(thread);
	}
	live(NULL);
	return 0;
}
