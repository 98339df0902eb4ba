/*
 * library.c -- a program of libweir in a process under Weir, or without: pools and malloc side by side.
 *
 * One deed a run, told on standard output; tests/preload/library.sh judges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/weir.h"

#define COUNT 40

static struct weir_pool *make_pool(void)
{
	struct weir_pool_config config = weir_pool_config_default();
	struct weir_pool *pool;

	config.max_buffers = 1000;
	if (weir_pool_create(&pool, &config) != WEIR_OK)
		exit(3);
	return pool;
}

static void take(struct weir_pool *pool, size_t size, struct weir_buffer *buffer)
{
	if (weir_pool_allocate(pool, size, buffer) != WEIR_OK)
		exit(4);
}

static unsigned long long in_use(void)
{
	struct weir_pool_metrics metrics;

	weir_pool_metrics(NULL, &metrics);
	return (unsigned long long)metrics.buffers_in_use;
}

/* How many of malloc's and of a pool's buffers the engine has. */
static void count(void)
{
	struct weir_pool *pool = make_pool();
	unsigned long long before = in_use(), by_malloc;
	struct weir_buffer buffer;
	void *mine[COUNT];

	for (unsigned i = 0; i < COUNT; i++)
		mine[i] = malloc(100000);
	by_malloc = in_use();
	for (unsigned i = 0; i < COUNT; i++)
		take(pool, 100000, &buffer);
	printf("malloc %llu\npool %llu\n", by_malloc - before, in_use() - by_malloc);
	for (unsigned i = 0; i < COUNT; i++)
		free(mine[i]);
	weir_pool_destroy(pool);
	printf("after %llu\n", in_use() - before);
}

/* How far the two lie apart: within one range, less than 64 GiB. */
static void near(void)
{
	struct weir_pool *pool = make_pool();
	struct weir_buffer buffer;
	char *mine = malloc(100000);
	char *theirs;

	take(pool, 100000, &buffer);
	theirs = buffer.data;
	/* What the pool gave back, malloc hands out. */
	weir_pool_release(pool, buffer.id);
	weir_pool_collect(pool);
	weir_pool_clean_up(pool);
	free(mine);
	mine = malloc(100000);
	printf("apart %llu\n", (unsigned long long)(mine > theirs ? mine - theirs : theirs - mine));
	free(mine);
	weir_pool_destroy(pool);
}

/* A limit on the one engine holds for both. */
static void limit(void)
{
	struct weir_pool *pool = make_pool();
	struct weir_pool_errors errors;
	struct weir_buffer buffer;

	for (unsigned i = 0; i < 200; i++) {
		take(pool, 100000, &buffer);
		memset(buffer.data, 1, 100000);
	}
	weir_pool_errors(pool, &errors);
	printf("exhausted %s\n", errors.engine_exhausted > 50 ? "yes" : "no");
}

static void in_child(void)
{
	struct weir_pool *pool = make_pool();
	struct weir_buffer buffer;
	int status = 1;
	pid_t child;

	take(pool, 100000, &buffer);
	child = fork();
	if (child == 0) {
		int error = weir_pool_release(pool, buffer.id);

		for (unsigned i = 0; i < 100 && error == WEIR_OK; i++) {
			free(malloc(50000));
			error = weir_pool_allocate(pool, 30000, &buffer);
		}
		_exit(error == WEIR_OK ? 0 : 1);
	}
	waitpid(child, &status, 0);
	printf("child %s\n", status == 0 ? "well" : "ill");
	raise(SIGUSR1);
}

/* To be looked at from outside. */
static void wait_a_while(void)
{
	struct weir_pool *pool;
	struct weir_buffer buffer;

	alarm(20);
	if (weir_pool_create(&pool, NULL) != WEIR_OK || weir_pool_allocate(pool, 100000, &buffer) != WEIR_OK)
		exit(3);
	puts("ready");
	fflush(stdout);
	pause();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} deeds[] = {
	    {"count", count}, {"near", near}, {"limit", limit}, {"child", in_child}, {"wait", wait_a_while}};

	static char text[4096];

	/* A buffer that stdio takes from malloc would be in the figures, too. */
	setvbuf(stdout, text, _IOFBF, sizeof(text));
	for (unsigned i = 0; argc == 2 && i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		if (strcmp(argv[1], deeds[i].name) != 0)
			continue;
		deeds[i].run();
		return fflush(stdout) == 0 ? 0 : 1;
	}
	return 2;
}
