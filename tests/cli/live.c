/*
 * live.c -- a program to be looked at and asked for things: what it does is its first argument.
 *
 * Says "ready" on standard output once it stands as it will stand, and then goes on until it is
 * ended. Preloaded by tests/cli/ask.sh, tests/cli/perf_map.sh and tests/cli/top.sh.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define IDLE_BUFFERS 512
#define IDLE_BYTES 65536
#define THREADS 64
#define WORKERS 4
#define WORK 60000
#define NOBODY 65534

static volatile sig_atomic_t signals_seen;

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

/* 32 MiB that were in use, of which 1 MiB still is. */
static void have_idle(void)
{
	static void *buffers[IDLE_BUFFERS];

	for (int i = 0; i < IDLE_BUFFERS; i++) {
		buffers[i] = malloc(IDLE_BYTES);
		if (buffers[i] == NULL)
			exit(1);
		memset(buffers[i], 1, IDLE_BYTES);
	}
	for (int i = 16; i < IDLE_BUFFERS; i++)
		free(buffers[i]);
}

static void *be_busy(void *argument)
{
	unsigned state = (unsigned)(size_t)argument + 1;
	void *held[32] = {NULL};

	for (;;) {
		unsigned i;

		state = state * 1664525U + 1013904223U;
		i = state >> 27;
		free(held[i]);
		held[i] = malloc(4096 + (state >> 8) % 200000);
		if (held[i] == NULL)
			exit(1);
		*(char *)held[i] = 1;
	}
	return NULL;
}

static void start_threads(int count)
{
	pthread_t thread;

	for (int i = 0; i < count; i++)
		if (pthread_create(&thread, NULL, be_busy, (void *)(size_t)i) != 0)
			exit(1);
}

/* So much and no more, whatever the time. */
static void *work(void *argument)
{
	unsigned state = (unsigned)(size_t)argument + 1;
	void *held[32] = {NULL};

	for (int i = 0; i < WORK; i++) {
		unsigned slot;

		state = state * 1664525U + 1013904223U;
		slot = state >> 27;
		free(held[slot]);
		held[slot] = malloc(i % 2 == 0 ? 16 + (state >> 8) % 1000 : 4096 + (state >> 8) % 200000);
		if (held[slot] == NULL)
			exit(1);
		*(char *)held[slot] = 1;
	}
	for (int i = 0; i < 32; i++)
		free(held[i]);
	return NULL;
}

/* Threads one after another, since what happens at once is never the same twice. From "ready" on at a
 * line's behest, and "done" at its end. */
static void work_in_threads(void)
{
	pthread_t thread;

	ready();
	if (getchar() == EOF)
		exit(1);
	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&thread, NULL, work, (void *)(size_t)i) != 0 ||
		    pthread_join(thread, NULL) != 0)
			exit(1);
	puts("done");
}

static void count_signal(int number)
{
	(void)number;
	signals_seen++;
}

/* Says how many signals its own handler has seen, each time that it is asked by a line. */
static void count_signals(void)
{
	struct sigaction action = {.sa_handler = count_signal};
	char line[16];

	sigaction(SIGUSR1, &action, NULL);
	ready();
	for (;;) {
		if (fgets(line, sizeof line, stdin) != NULL) {
			printf("%d\n", (int)signals_seen);
			fflush(stdout);
		} else if (feof(stdin)) {
			return;
		} else {
			clearerr(stdin);
		}
	}
}

/* Waits for a mutex that it holds itself. */
static void be_stuck(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&mutex);
	ready();
	pthread_mutex_lock(&mutex);
}

static void block_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void change_root(const char *folder)
{
	if (chdir(folder) == 0 && chroot(".") == 0)
		return;
	fprintf(stderr, "chroot %s: %s\n", folder, strerror(errno));
	exit(1);
}

/* A request every 10 ms, so that the clock is looked at. */
static void tick(void)
{
	for (;;) {
		free(malloc(IDLE_BYTES));
		usleep(10000);
	}
}

/* For two seconds a request every 10 ms, and the dump signal early on; then it ends. */
static void tick_a_while(void)
{
	for (int i = 0; i < 200; i++) {
		free(malloc(IDLE_BYTES));
		if (i == 20)
			raise(SIGUSR1);
		usleep(10000);
	}
}

/* --- generated code ---------------------------------------------------------------- */

/* It calls the function that it is handed. */
static const unsigned char calls[] = {
#if defined(__x86_64__)
    0x55,	      /* push %rbp */
    0x48, 0x89, 0xe5, /* mov %rsp,%rbp */
    0xff, 0xd7,	      /* call *%rdi */
    0x5d,	      /* pop %rbp */
    0xc3,	      /* ret */
#elif defined(__aarch64__)
    0xfd, 0x7b, 0xbf, 0xa9, /* stp x29, x30, [sp, #-16]! */
    0xfd, 0x03, 0x00, 0x91, /* mov x29, sp */
    0x00, 0x00, 0x3f, 0xd6, /* blr x0 */
    0xfd, 0x7b, 0xc1, 0xa8, /* ldp x29, x30, [sp], #16 */
    0xc0, 0x03, 0x5f, 0xd6, /* ret */
#endif
};

static void keep_buffer(void)
{
	void *volatile kept = malloc(IDLE_BYTES);

	(void)kept;
}

/* Keeps buffers that a function asked for which generated code called; where that lies is written to a file, as a perf
 * map has it. */
static void generate(const char *path)
{
	unsigned char *code =
	    mmap(NULL, sizeof calls, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *file = fopen(path, "w");
	void (*call)(void (*)(void));

	if (code == MAP_FAILED || file == NULL)
		exit(1);
	memcpy(code, calls, sizeof calls);
	if (mprotect(code, sizeof calls, PROT_READ | PROT_EXEC) != 0)
		exit(1);
	__builtin___clear_cache((char *)code, (char *)code + sizeof calls);
	*(void **)&call = code;
	for (int i = 0; i < IDLE_BUFFERS; i++)
		call(keep_buffer);
	fprintf(file, "%lx %zx\n", (unsigned long)code, sizeof calls);
	fclose(file);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "count") == 0) {
		count_signals();
		return 0;
	}
	if (strcmp(what, "exec") == 0 && argc > 2) {
		/* Becomes another program when it is told to go on. */
		have_idle();
		ready();
		if (getchar() != EOF)
			execv(argv[2], argv + 2);
		return 1;
	}
	if (strcmp(what, "work") == 0) {
		work_in_threads();
		return 0;
	}
	if (strcmp(what, "ticks") == 0) {
		tick_a_while();
		return 0;
	}
	have_idle();
	if (strcmp(what, "stuck") == 0) {
		be_stuck();
	} else if (strcmp(what, "threads") == 0) {
		start_threads(THREADS);
	} else if (strcmp(what, "crowd") == 0) {
		start_threads(THREADS - 1);
		ready();
		be_busy(NULL);
	} else if (strcmp(what, "busy") == 0) {
		ready();
		be_busy(NULL);
	} else if (strcmp(what, "block") == 0) {
		block_signal();
	} else if (strcmp(what, "hidden") == 0) {
		prctl(PR_SET_DUMPABLE, 0);
	} else if (strcmp(what, "generated") == 0 && argc > 2) {
		generate(argv[2]);
		if (argc > 3) {
			change_root(argv[3]);
			if (setuid(NOBODY) != 0)
				exit(1);
		}
		ready();
		tick();
	} else if (strcmp(what, "tick") == 0) {
		ready();
		tick();
	} else if (strcmp(what, "chroot") == 0 && argc > 2) {
		change_root(argv[2]);
	} else if (strcmp(what, "idle") != 0) {
		fprintf(stderr, "live: '%s' is nothing to do\n", what);
		return 2;
	}
	ready();
	wait_for_ever();
}
