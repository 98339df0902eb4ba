/*
 * probe.c -- one small deed each, for run.sh to look at from outside.
 *
 * Says on stdout what it used ("at 0x...") and, if it lives, "went on".
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SIZE ((size_t)65536)

static char *volatile p;

static void take(size_t size)
{
	p = malloc(size);
	if (p == NULL)
		exit(50);
	memset(p, 1, size);
	printf("at %p\n", (void *)p);
	fflush(stdout);
}

static void stream(void)
{
	char *buffers[64] = {NULL};

	for (unsigned i = 0; i < 4000; i++) {
		size_t size = 1 + (size_t)i * 7919 % 1500000;

		free(buffers[i % 64]);
		buffers[i % 64] = malloc(size);
		if (buffers[i % 64] == NULL)
			exit(51);
		buffers[i % 64][0] = buffers[i % 64][size - 1] = 1;
	}
	for (unsigned i = 0; i < 64; i++)
		free(buffers[i]);
}

static void double_free(void)
{
	take(SIZE);
	free(p);
	free(p);
}

static void double_free_small(void)
{
	take(5000);
	free(p);
	free(p);
}

static void *free_it(void *argument)
{
	free(argument);
	return NULL;
}

static void double_free_across_threads(void)
{
	pthread_t thread;

	take(SIZE);
	if (pthread_create(&thread, NULL, free_it, p) != 0)
		exit(52);
	pthread_join(thread, NULL);
	free(p);
}

static void inner_free(void)
{
	take(SIZE);
	free(p + 4096);
}

static void inner_free_unaligned(void)
{
	take(SIZE);
	free(p + 24);
}

/* 64 MiB further, at the start of a page: in the range, and never handed out. */
static void wild_free(void)
{
	take(SIZE);
	p = (char *)(((uintptr_t)p + ((size_t)64 << 20)) & ~(uintptr_t)4095);
	printf("at %p\n", (void *)p);
	fflush(stdout);
	free(p);
}

/* Its place in the pool is then a free run's, whose neighbours the answer must not disturb. */
static void usable_size_of_freed(void)
{
	enum { COUNT = 64 };
	char *volatile kept[COUNT];

	for (int i = 0; i < COUNT; i++)
		kept[i] = malloc(900000);
	for (int i = 0; i < COUNT; i++)
		free(kept[i]);
	for (int i = 0; i < COUNT; i++)
		if (malloc_usable_size(kept[i]) != 0)
			exit(3);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < COUNT; i++)
			kept[i] = calloc(1, 5000 + (size_t)i * 13000);
		for (int i = 0; i < COUNT; i++)
			free(kept[i]);
	}
}

static void realloc_of_freed(void)
{
	take(SIZE);
	free(p);
	p = realloc(p, SIZE * 2);
}

/* Is what a buffer held still to be seen in those that come after it? */
static void secret(void)
{
	static const char text[] = "correct horse battery staple";
	char *q[32];
	unsigned seen = 0;

	for (unsigned round = 0; round < 50; round++) {
		char *s = malloc(SIZE);

		for (size_t i = 0; i + sizeof text < SIZE; i += 1024)
			memcpy(s + i, text, sizeof text);
		free(s);
		for (unsigned i = 0; i < 32; i++) {
			q[i] = malloc(SIZE);
			for (size_t k = 0; k + sizeof text < SIZE; k += 1024)
				seen += memcmp(q[i] + k, text, sizeof text) == 0;
		}
		for (unsigned i = 0; i < 32; i++)
			free(q[i]);
	}
	printf("seen %u\n", seen);
}

static void on_signal(int number)
{
	static const char text[] = "handler ran\n";

	(void)number;
	if (write(STDOUT_FILENO, text, sizeof text - 1) < 0)
		_exit(53);
}

static void handle_usr1(void)
{
	signal(SIGUSR1, on_signal);
	stream();
	raise(SIGUSR1);
}

static void raise_usr1(void)
{
	stream();
	raise(SIGUSR1);
}

static void raise_three(void)
{
	stream();
	for (int i = 0; i < 3; i++)
		raise(SIGUSR1);
}

static void raise_usr2(void)
{
	stream();
	raise(SIGUSR2);
}

/* Long enough that maintenance falls due with the intervals that run.sh sets. */
static void work_a_while(void)
{
	for (unsigned i = 0; i < 60; i++) {
		free(malloc(SIZE));
		usleep(10000);
	}
}

/* A dump before it has none left, and one after. */
static void without_descriptors(void)
{
	struct rlimit none = {3, 3};

	work_a_while();
	raise(SIGUSR1);
	setrlimit(RLIMIT_NOFILE, &none);
	work_a_while();
	raise(SIGUSR1);
}

static void without_streams(void)
{
	stream();
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	raise(SIGUSR1);
}

/* On the stack of each thread, and twice what Weir's has beside it. */
static __thread volatile char much[512 << 10];

static void *touch_much(void *argument)
{
	much[sizeof(much) / 2] = 1;
	free(malloc(SIZE));
	return argument;
}

static void much_thread_local(void)
{
	pthread_t thread;
	DIR *tasks;

	if (pthread_create(&thread, NULL, touch_much, NULL) != 0)
		exit(54);
	pthread_join(thread, NULL);
	work_a_while();
	tasks = opendir("/proc/self/task");
	for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
		char path[300], name[32] = "";
		FILE *file;

		snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
		file = fopen(path, "r");
		if (file == NULL)
			continue;
		if (fgets(name, sizeof name, file) != NULL)
			printf("thread %s", name);
		fclose(file);
	}
	if (tasks != NULL)
		closedir(tasks);
}

static const struct {
	const char *name;
	void (*run)(void);
} deeds[] = {
    {"stream", stream},
    {"double-free", double_free},
    {"double-free-small", double_free_small},
    {"double-free-across-threads", double_free_across_threads},
    {"inner-free", inner_free},
    {"inner-free-unaligned", inner_free_unaligned},
    {"wild-free", wild_free},
    {"realloc-of-freed", realloc_of_freed},
    {"usable-size-of-freed", usable_size_of_freed},
    {"secret", secret},
    {"handle-usr1", handle_usr1},
    {"raise-usr1", raise_usr1},
    {"raise-three", raise_three},
    {"raise-usr2", raise_usr2},
    {"without-descriptors", without_descriptors},
    {"without-streams", without_streams},
    {"much-thread-local", much_thread_local},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof deeds / sizeof deeds[0]; i++)
		if (strcmp(argv[1], deeds[i].name) == 0) {
			deeds[i].run();
			puts("went on");
			return 0;
		}
	return 60;
}
