/*
 * process.c -- what /proc says of a process, and which processes there are.
 *
 * Called by list, top and the verbs that ask a process for something. A process may be gone
 * between any two lines; every function says so and none trusts what it reads to be whole.
 */
#include "cli/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define OBJECT_PREFIX "libweir"	    /* libweir-preload.so, or as it was called when it was copied */
#define LIBRARY_PREFIX "libweir.so" /* the library, which a program links and which has no state to be read */

static FILE *open_proc(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	return fopen(path, "re");
}

static void make_printable(char *text)
{
	for (; *text != '\0'; text++)
		if (!isprint((unsigned char)*text))
			*text = '?';
}

/* The fields after the name, which may itself hold blanks and parentheses. */
static bool parse_stat(char *line, struct process *process)
{
	char *open = strchr(line, '('), *close = strrchr(line, ')');
	unsigned long long minor, major, threads, start, rss;

	if (open == NULL || close == NULL || close < open)
		return false;
	*close = '\0';
	snprintf(process->name, sizeof process->name, "%s", open + 1);
	make_printable(process->name);
	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers, which fit */
	if (sscanf(close + 1,
		" %c %*d %*d %*d %*d %*d %*u %llu %*u %llu %*u %*u %*u %*d %*d %*d %*d %llu %*d %llu %*u %llu",
		&process->state, &minor, &major, &threads, &start, &rss) != 6)
		return false;
	process->minor_faults = minor;
	process->major_faults = major;
	process->threads = threads;
	process->start_ticks = start;
	process->rss_bytes = rss * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

bool process_read(pid_t pid, struct process *process)
{
	FILE *file = open_proc(pid, "stat");
	struct timespec now;
	struct stat facts;
	char line[1024];
	bool is_read;

	*process = (struct process){.pid = pid};
	if (file == NULL)
		return false;
	is_read = fgets(line, sizeof line, file) != NULL && parse_stat(line, process);
	if (fstat(fileno(file), &facts) == 0)
		process->uid = facts.st_uid;
	fclose(file);
	if (is_read && clock_gettime(CLOCK_BOOTTIME, &now) == 0)
		process->uptime_seconds = (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
					  (double)process->start_ticks / (double)sysconf(_SC_CLK_TCK);
	return is_read;
}

/* Is this line of maps the beginning of an object of ours? */
static bool is_object_start(const char *line, unsigned long long *base)
{
	unsigned long long offset;
	int path_at = 0;
	const char *slash;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers, which fit */
	if (sscanf(line, "%llx-%*x %*s %llx %*s %*u %n", base, &offset, &path_at) != 2 || path_at == 0 ||
	    offset != 0)
		return false;
	slash = strrchr(line + path_at, '/');
	return slash != NULL && strncmp(slash + 1, OBJECT_PREFIX, strlen(OBJECT_PREFIX)) == 0 &&
	       strncmp(slash + 1, LIBRARY_PREFIX, strlen(LIBRARY_PREFIX)) != 0;
}

uint64_t process_weir_base(pid_t pid, int *error)
{
	FILE *file = open_proc(pid, "maps");
	unsigned long long base = 0;
	char *line = NULL;
	size_t size = 0;
	bool is_found = false;

	*error = 0;
	if (file == NULL) {
		*error = errno == ENOENT ? ESRCH : errno;
		return 0;
	}
	while (!is_found && getline(&line, &size, file) > 0)
		is_found = is_object_start(line, &base);
	if (ferror(file))
		*error = errno;
	free(line);
	fclose(file);
	return is_found ? base : 0;
}

void process_boot_id(char *id, size_t size)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	id[0] = '\0';
	if (file == NULL)
		return;
	if (fgets(id, (int)size, file) != NULL)
		id[strcspn(id, "\n")] = '\0';
	fclose(file);
}

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

pid_t *process_all(size_t *count)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	pid_t *pids = NULL, *more;
	size_t room = 0;

	*count = 0;
	if (proc == NULL)
		return NULL;
	while ((entry = readdir(proc)) != NULL) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (*end != '\0' || pid <= 0)
			continue;
		if (*count == room) {
			room = room * 2 + 64;
			more = realloc(pids, room * sizeof *pids);
			if (more == NULL)
				break;
			pids = more;
		}
		pids[(*count)++] = (pid_t)pid;
	}
	closedir(proc);
	if (*count > 0)
		qsort(pids, *count, sizeof *pids, by_number);
	return pids;
}

/* --- threads ------------------------------------------------------------------- */

/* What follows "NAME:" in a thread's status, without the blanks before it. False: it is gone, or has no such line. */
static bool read_status(pid_t pid, pid_t thread, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);
	char path[64], line[512];
	bool is_found = false;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)pid, (int)thread);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (!is_found && fgets(line, sizeof line, file) != NULL)
		is_found = strncmp(line, name, length) == 0 && line[length] == ':';
	fclose(file);
	if (is_found)
		snprintf(value, size, "%s", line + length + 1 + strspn(line + length + 1, " \t"));
	return is_found;
}

/* The last of its ids, one for each pid namespace from ours inwards; 0: not known. Linux 4.1 */
static pid_t inner_id(pid_t pid, pid_t thread)
{
	char ids[256], *last;

	if (!read_status(pid, thread, "NSpid", ids, sizeof ids))
		return 0;
	ids[strcspn(ids, "\n")] = '\0';
	last = strrchr(ids, '\t');
	return (pid_t)strtol(last != NULL ? last + 1 : ids, NULL, 10);
}

bool process_user(pid_t pid, uid_t *user)
{
	char ids[128];
	unsigned file_system;

	if (!read_status(pid, pid, "Uid", ids, sizeof ids))
		return false;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers, which fit */
	if (sscanf(ids, "%*u %*u %*u %u", &file_system) != 1)
		return false;
	*user = file_system;
	return true;
}

pid_t process_inner_pid(pid_t pid)
{
	pid_t inner = inner_id(pid, pid);

	return inner > 0 ? inner : pid;
}

pid_t process_thread(pid_t pid, pid_t inner)
{
	char path[64];
	DIR *tasks;
	const struct dirent *entry;
	pid_t found = 0;

	/* Mostly there is one namespace. */
	if (inner_id(pid, inner) == inner)
		return inner;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks != NULL && found == 0 && (entry = readdir(tasks)) != NULL) {
		pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);

		if (thread > 0 && inner_id(pid, thread) == inner)
			found = thread;
	}
	if (tasks != NULL)
		closedir(tasks);
	return found;
}

char process_thread_state(pid_t pid, pid_t thread)
{
	char state[16];

	return read_status(pid, thread, "State", state, sizeof state) ? state[0] : '\0';
}

uint32_t process_thread_filters(pid_t pid, pid_t thread)
{
	char count[16];

	if (read_status(pid, thread, "Seccomp_filters", count, sizeof count))
		return (uint32_t)strtoul(count, NULL, 10);
	/* Before Linux 5.9 it is only said whether there are any. */
	return read_status(pid, thread, "Seccomp", count, sizeof count) && count[0] == '0' ? 0 : UINT32_MAX;
}

/* --- files --------------------------------------------------------------------- */

int process_open_folder(pid_t pid, const char *path, const char **name)
{
	struct open_how how = {
	    .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
	    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	char root[64], folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int root_fd, fd;

	*name = slash != NULL ? slash + 1 : path;
	snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - path + 1) : 1,
	    slash != NULL ? path : ".");
	snprintf(root, sizeof root, "/proc/%d/%s", (int)pid, path[0] == '/' ? "root" : "cwd");
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return -1;
	if (path[0] != '/')
		how.resolve = RESOLVE_NO_MAGICLINKS;
	fd = (int)syscall(SYS_openat2, root_fd, folder, &how, sizeof how);
	close(root_fd);
	return fd;
}

/* --- signals ------------------------------------------------------------------- */

static bool is_blocked_in(pid_t pid, pid_t thread, int signal_number, bool *is_blocked)
{
	char mask[32];

	if (!read_status(pid, thread, "SigBlk", mask, sizeof mask))
		return false;
	*is_blocked = (strtoull(mask, NULL, 16) >> (signal_number - 1) & 1) != 0;
	return true;
}

bool process_thread_blocks(pid_t pid, pid_t thread, int signal_number)
{
	bool is_blocked;

	return !is_blocked_in(pid, thread, signal_number, &is_blocked) || is_blocked;
}

bool process_blocked(pid_t pid, int signal_number, unsigned *blocked, unsigned *threads)
{
	char path[64];
	DIR *tasks;
	const struct dirent *entry;

	*blocked = *threads = 0;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (tasks == NULL)
		return false;
	while ((entry = readdir(tasks)) != NULL) {
		pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
		bool is_blocked;

		if (thread <= 0 || !is_blocked_in(pid, thread, signal_number, &is_blocked))
			continue;
		(*threads)++;
		*blocked += is_blocked;
	}
	closedir(tasks);
	return *threads > 0;
}
