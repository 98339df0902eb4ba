/*
 * tracked.c -- a program whose call sites are known: what tracking says of it can be judged.
 *
 *   tracked stacks COUNT     so many different stacks of compiled functions, a live object each
 *   tracked generated COUNT  so many different addresses of generated code, without unwind tables
 *   tracked threads COUNT    so many threads, eight at a time, that allocate and free
 *   tracked plugins COUNT PLUGIN  load PLUGIN, take 8 KiB of it that is never freed, unload it; again
 *   tracked fork             fork while threads allocate; each child allocates, too
 *   tracked handler          handlers allocate and free, and leave by siglongjmp
 *   tracked leak SECONDS [touch]  three sites, of which one loses one object in 25; in the end look
 *                            at what was lost, and allocate for another second
 *   tracked tableless MODULE a frame of a module that was compiled without unwind tables
 *   tracked walk             allocate and fork while a callback of dl_iterate_phdr waits for what we hold
 *   tracked hold             take 64 KiB, keep it for ever, wait for a line on stdin
 *
 * Exit status 0 and the line "went on", if all went well.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Equal functions stay two. */
#define OWN __attribute__((noinline, noclone, no_icf))

static volatile unsigned sink;

static void touch(void *p)
{
	if (p == NULL)
		abort();
	*(volatile char *)p = 1;
	sink++;
}

/* --- many sites -------------------------------------------------------------- */

static OWN void *path_a(unsigned bits, unsigned depth, size_t size);

/* Two functions call each other in an order that bits tells: 2^depth different stacks. */
static OWN void *path_b(unsigned bits, unsigned depth, size_t size)
{
	void *p = depth == 0 ? malloc(size)
		  : bits & 1 ? path_a(bits >> 1, depth - 1, size)
			     : path_b(bits >> 1, depth - 1, size);
	touch(p);
	return p;
}

static OWN void *path_a(unsigned bits, unsigned depth, size_t size)
{
	void *p = depth == 0 ? malloc(size)
		  : bits & 1 ? path_a(bits >> 1, depth - 1, size)
			     : path_b(bits >> 1, depth - 1, size);
	touch(p);
	return p;
}

static void stacks(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		touch(path_a(i, 14, 5000));
}

/* Code that calls its first argument with its second one. */
static const unsigned char thunk[] = {
#if defined(__x86_64__)
    0x48, 0x89, 0xf8,	    /* mov %rdi, %rax */
    0x48, 0x89, 0xf7,	    /* mov %rsi, %rdi */
    0x48, 0x83, 0xec, 0x08, /* sub $8, %rsp */
    0xff, 0xd0,		    /* call *%rax */
    0x48, 0x83, 0xc4, 0x08, /* add $8, %rsp */
    0xc3,		    /* ret */
#elif defined(__aarch64__)
    0xfd, 0x7b, 0xbf, 0xa9, /* stp x29, x30, [sp, #-16]! */
    0xe2, 0x03, 0x00, 0xaa, /* mov x2, x0 */
    0xe0, 0x03, 0x01, 0xaa, /* mov x0, x1 */
    0x40, 0x00, 0x3f, 0xd6, /* blr x2 */
    0xfd, 0x7b, 0xc1, 0xa8, /* ldp x29, x30, [sp], #16 */
    0xc0, 0x03, 0x5f, 0xd6, /* ret */
#endif
};

static void generated(unsigned count)
{
	size_t bytes = (size_t)count * 32;
	char *code = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (code == MAP_FAILED)
		abort();
	for (unsigned i = 0; i < count; i++)
		memcpy(code + (size_t)i * 32, thunk, sizeof(thunk));
	if (mprotect(code, bytes, PROT_READ | PROT_EXEC) != 0)
		abort();
	__builtin___clear_cache(code, code + bytes);
	for (unsigned i = 0; i < count; i++) {
		void *(*call)(void *(*)(size_t), size_t) =
		    (void *(*)(void *(*)(size_t), size_t))(void *)(code + (size_t)i * 32);

		touch(call(malloc, 5000));
	}
}

/* --- threads and processes --------------------------------------------------- */

static OWN void *on_thread(void *argument)
{
	void *kept[16];

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 16; i++)
			touch(kept[i] = malloc(16u << i % 12));
		for (unsigned i = 0; i < 16; i++)
			free(kept[i]);
	}
	return argument;
}

static void threads(unsigned count)
{
	pthread_t ids[8];

	for (unsigned begun = 0; begun < count; begun += 8) {
		for (unsigned i = 0; i < 8; i++) {
			if (pthread_create(&ids[i], NULL, on_thread, NULL) != 0)
				abort();
		}
		for (unsigned i = 0; i < 8; i++)
			pthread_join(ids[i], NULL);
	}
}

static _Atomic bool is_over;

static void *until_over(void *argument)
{
	while (!is_over)
		on_thread(NULL);
	return argument;
}

static void forks(void)
{
	pthread_t ids[4];

	for (unsigned i = 0; i < 4; i++) {
		if (pthread_create(&ids[i], NULL, until_over, NULL) != 0)
			abort();
	}
	for (unsigned i = 0; i < 60; i++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			alarm(20);
			on_thread(NULL);
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
			abort();
	}
	is_over = true;
	for (unsigned i = 0; i < 4; i++)
		pthread_join(ids[i], NULL);
	/* The last one writes a dump of its own: what it got from its parent is still known. */
	if (fork() == 0) {
		alarm(20);
		on_thread(NULL);
		exit(0);
	}
	wait(NULL);
}

/* --- plugins ----------------------------------------------------------------- */

static void plugins(unsigned count, const char *path)
{
	for (unsigned i = 0; i < count; i++) {
		void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		void *(*take)(size_t) = plugin != NULL ? (void *(*)(size_t))dlsym(plugin, "take") : NULL;

		if (take == NULL)
			abort();
		touch(take(8192));
		dlclose(plugin);
	}
}

static void tableless(const char *path)
{
	void *module = dlopen(path, RTLD_NOW);
	void *(*through)(void *(*)(size_t), size_t) =
	    module != NULL ? (void *(*)(void *(*)(size_t), size_t))dlsym(module, "through") : NULL;

	if (through == NULL)
		abort();
	for (unsigned i = 0; i < 100; i++)
		touch(through(malloc, 5000));
}

/* --- handlers ---------------------------------------------------------------- */

static sigjmp_buf back;
static void *of_handler;

static void handler(int number)
{
	void *p = malloc(6000);

	touch(p);
	free(of_handler);
	of_handler = malloc(100);
	if (number == SIGUSR2) {
		free(p);
		siglongjmp(back, 1);
	}
	free(p);
}

static OWN void raise_in(unsigned depth, int number)
{
	void *p = malloc(7000);

	touch(p);
	if (depth != 0)
		raise_in(depth - 1, number);
	else
		raise(number);
	free(p);
}

static void handlers(void)
{
	struct sigaction action = {.sa_handler = handler};

	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	for (volatile unsigned i = 0; i < 200; i++) {
		raise_in(i % 5, SIGALRM);
		if (sigsetjmp(back, 1) == 0)
			raise_in(i % 5, SIGUSR2);
	}
}

/* --- a leak ------------------------------------------------------------------ */

static void pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){0, (long)ms * 1000000}, NULL);
}

/* The one that is guilty. */
OWN void *take_and_lose_some(size_t size);
OWN void *take_and_lose_some(size_t size)
{
	void *p = malloc(size);

	touch(p);
	return p;
}

static OWN void *take_for_good(size_t size)
{
	void *p = malloc(size);

	touch(p);
	return p;
}

static OWN void *take_for_a_moment(size_t size)
{
	void *p = malloc(size);

	touch(p);
	return p;
}

static void *lost[4096];
static unsigned lost_count;
/* Of the 20 that an idle machine loses. */
#define LOST_A_SECOND 12

/* For some seconds, and longer where a busy machine let too little happen in them. */
static void work_and_lose(unsigned seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned enough = lost_count + seconds * LOST_A_SECOND;

	for (unsigned i = 0; time(NULL) < end || lost_count < enough; i++) {
		unsigned char *p = take_and_lose_some(8192);
		void *q = take_for_a_moment(16384);

		memset(p, (int)(i % 251), 8192);
		pause_ms(2);
		free(q);
		if (i % 25 != 0)
			free(p);
		else if (lost_count < sizeof(lost) / sizeof(lost[0]))
			lost[lost_count++] = p;
	}
}

/* Whatever became of its pages meanwhile, the content is as it was. */
static void look_at_lost(void)
{
	for (unsigned i = 0; i < lost_count; i++) {
		const unsigned char *p = lost[i];

		for (unsigned k = 0; k < 8192; k++) {
			if (p[k] != p[0])
				abort();
		}
	}
}

static void leak(unsigned seconds, bool is_touching)
{
	/* Start-up data, larger than all that is lost. */
	for (unsigned i = 0; i < 500; i++)
		take_for_good(32768);
	work_and_lose(seconds);
	if (is_touching) {
		look_at_lost();
		work_and_lose(1);
	}
}

/* --- a callback of the loader's that waits ----------------------------------------- */

static pthread_mutex_t wanted_inside = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool is_inside;

static int wait_inside(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)info, (void)size, (void)unused;
	is_inside = true;
	pthread_mutex_lock(&wanted_inside);
	pthread_mutex_unlock(&wanted_inside);
	return 1;
}

static void *walk_objects(void *unused)
{
	(void)unused;
	dl_iterate_phdr(wait_inside, NULL);
	return NULL;
}

/* Allocates for some ticks, and forks, while it holds what that callback waits for. */
static void hold_what_a_callback_wants(void)
{
	pthread_t thread;
	pid_t child;
	int status;

	alarm(15);
	for (unsigned i = 0; i < 1000; i++)
		take_for_a_moment(4000);
	pthread_mutex_lock(&wanted_inside);
	if (pthread_create(&thread, NULL, walk_objects, NULL) != 0)
		exit(1);
	while (!is_inside)
		pause_ms(1);
	for (unsigned i = 0; i < 100; i++) {
		free(take_for_a_moment(65536));
		pause_ms(10);
	}
	child = fork();
	if (child == 0) {
		/* The loader's lock is lost to this one for good. */
		alarm(15);
		for (unsigned i = 0; i < 60; i++) {
			free(take_for_a_moment(65536));
			pause_ms(10);
		}
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		exit(1);
	pthread_mutex_unlock(&wanted_inside);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

	if (strcmp(mode, "stacks") == 0)
		stacks(count);
	else if (strcmp(mode, "generated") == 0)
		generated(count);
	else if (strcmp(mode, "threads") == 0)
		threads(count);
	else if (strcmp(mode, "plugins") == 0)
		plugins(count, argv[3]);
	else if (strcmp(mode, "fork") == 0)
		forks();
	else if (strcmp(mode, "walk") == 0)
		hold_what_a_callback_wants();
	else if (strcmp(mode, "handler") == 0)
		handlers();
	else if (strcmp(mode, "leak") == 0)
		leak(count, argc > 3);
	else if (strcmp(mode, "tableless") == 0)
		tableless(argv[2]);
	else if (strcmp(mode, "hold") == 0) {
		touch(malloc(65536));
		getchar();
	} else {
		return 2;
	}
	puts("went on");
	return 0;
}
