/*
 * waits.c -- a program whose threads do nothing but wait, and count what comes to them meanwhile.
 *
 *	waits poll|sigwait|signalfd|child|setuid|filter|stuck [N]
 *
 * Nine threads are in poll(), the first one for a line on standard input. N: the signal that is talked of is
 * SIGRTMIN+N, else SIGUSR1. sigwait, signalfd: it is blocked in all of them, and one more thread reads it so.
 * child: what waits is the child of such a process, and has but one thread. setuid: it has given up root since its
 * threads began. filter: it has put itself under a seccomp filter which kills whoever goes on with an
 * interrupted wait. stuck: jemalloc's purges wait for ever.
 *
 * Says "ready PID". At a line "M" it queues M signals to itself, numbered from 1, and waits until they were taken;
 * then it says how many calls were interrupted, how many signals were taken, and how many of them were
 * not the next. Preloaded by tests/cli/guest.py.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POLLERS 8
#define PATIENCE_MS 10000
#define NOBODY 65534

static atomic_int interrupted, taken, out_of_order;
static int number;

static void wait_in(struct pollfd *fds, nfds_t count)
{
	if (poll(fds, count, -1) < 0 && errno == EINTR)
		interrupted++;
}

static void *wait_in_poll(void *unused)
{
	(void)unused;
	for (;;)
		wait_in(NULL, 0);
	return NULL;
}

static void count_taken(int value)
{
	int before = atomic_fetch_add(&taken, 1);

	if (value != before + 1)
		out_of_order++;
}

static sigset_t only_that(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	return set;
}

static void *wait_in_sigwait(void *unused)
{
	sigset_t set = only_that();
	siginfo_t info;

	(void)unused;
	for (;;) {
		if (sigwaitinfo(&set, &info) == number)
			count_taken(info.si_code == SI_QUEUE ? info.si_value.sival_int : -1);
		else
			interrupted++;
	}
	return NULL;
}

static void *wait_in_read(void *unused)
{
	struct signalfd_siginfo info;
	sigset_t set = only_that();
	int fd = signalfd(-1, &set, SFD_CLOEXEC);

	(void)unused;
	if (fd < 0)
		exit(1);
	for (;;) {
		if (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
			count_taken(info.ssi_code == SI_QUEUE ? info.ssi_int : -1);
		else
			interrupted++;
	}
	return NULL;
}

static void start(int count, void *(*run)(void *))
{
	pthread_t thread;

	for (int i = 0; i < count; i++)
		if (pthread_create(&thread, NULL, run, NULL) != 0)
			exit(1);
}

static void forbid_restart(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof code[0], code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
		exit(1);
}

/* In the place of what an arena of jemalloc's calls to give pages back. */
static bool wait_for_ever(void)
{
	for (;;)
		usleep(1000000);
	return true;
}

enum hook { ALLOC, DALLOC, DESTROY, COMMIT, DECOMMIT, PURGE_LAZILY, PURGE_AT_ONCE, SPLIT, MERGE, HOOKS };

static void stop_purges(void)
{
	static const enum hook stopped[] = {DALLOC, DECOMMIT, PURGE_LAZILY, PURGE_AT_ONCE};
	static void *hooks[HOOKS], *buffers[2000];
	void *at = NULL, *control = dlsym(RTLD_DEFAULT, "mallctl");
	int (*mallctl)(const char *, void *, size_t *, void *, size_t);
	size_t size = sizeof at;

	memcpy(&mallctl, &control, sizeof mallctl);
	if (mallctl == NULL || mallctl("arena.0.extent_hooks", &at, &size, NULL, 0) != 0)
		exit(1);
	memcpy(hooks, at, sizeof hooks);
	for (size_t i = 0; i < sizeof stopped / sizeof stopped[0]; i++)
		hooks[stopped[i]] = (void *)wait_for_ever;
	at = hooks;
	/* What jemalloc serves, more of it than a thread keeps. */
	for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
		buffers[i] = calloc(1, 3000);
	if (mallctl("arena.0.extent_hooks", NULL, NULL, &at, sizeof at) != 0)
		exit(1);
	for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
		free(buffers[i]);
}

static void send_signals(int count)
{
	for (int i = 1; i <= count; i++)
		while (sigqueue(getpid(), number, (union sigval){.sival_int = i}) != 0)
			usleep(1000); /* its queue is full */
	for (int ms = 0; taken < count && ms < PATIENCE_MS; ms++)
		usleep(1000);
}

static void be(const char *what)
{
	sigset_t set = only_that();
	bool is_reader = strcmp(what, "sigwait") == 0 || strcmp(what, "signalfd") == 0;

	if (is_reader)
		pthread_sigmask(SIG_BLOCK, &set, NULL);
	start(POLLERS, wait_in_poll);
	if (is_reader)
		start(1, strcmp(what, "sigwait") == 0 ? wait_in_sigwait : wait_in_read);
	else if (strcmp(what, "child") == 0 && fork() != 0)
		pause();
	else if (strcmp(what, "setuid") == 0 && setuid(NOBODY) != 0)
		exit(1);
	else if (strcmp(what, "filter") == 0)
		forbid_restart();
	else if (strcmp(what, "stuck") == 0)
		stop_purges();
	free(malloc(65536));
}

int main(int argc, char **argv)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[32];

	if (argc < 2)
		return 2;
	number = argc > 2 ? SIGRTMIN + (int)strtol(argv[2], NULL, 10) : SIGUSR1;
	be(argv[1]);
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	for (;;) {
		ssize_t length;

		input.revents = 0;
		wait_in(&input, 1);
		if (input.revents == 0)
			continue;
		length = read(STDIN_FILENO, line, sizeof line - 1);
		if (length <= 0)
			_exit(0);
		line[length] = '\0';
		send_signals((int)strtol(line, NULL, 10));
		printf("%d %d %d\n", (int)interrupted, (int)taken, (int)out_of_order);
		fflush(stdout);
	}
}
