/*
 * metrics_left.c -- files of WEIR_METRICS_FILE whose processes are gone.
 *
 * A process that exits removes its own. One that is killed cannot, and node_exporter goes on
 * showing what it last said. So whoever writes a file looks beside it, at its first write and every
 * quarter of an hour, and removes what its own pattern may have become (other programs' too,
 * where it has %e), is a file of Weir's own, and has been left: it was written before the
 * machine was started, or it is older than what the alert rules look at and there is no process with its
 * number. A process in another pid namespace is not seen from here; as it writes its file at each
 * tick, only one that has done nothing for so long is mistaken for gone, and its
 * next tick brings the file back.
 *
 * Called at the monitor tick, which may run within malloc: no allocation, no lock, little stack. One at
 * a time: whoever calls has the dump.
 */
#include "preload/metrics_left.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "preload/preload.h"
#include "report/dump_name.h"

#define AGE_MIN_S 900 /* share/weir-alerts.yml has the same */
#define TICKS_MIN 3   /* of its own monitor, where those are longer */
#define LOOK_EVERY_S 900
#define BOOT_SLACK_S 60 /* the clock may have been set since */
#define READS_MAX 64	/* some ten thousand entries */
#define HEAD_BYTES 1024
#define HEAD "# HELP weir_"
#define PID_LABEL ",pid=\""

/* As the kernel has it. */
struct entry {
	uint64_t inode, offset;
	uint16_t bytes;
	uint8_t type;
	char name[];
} __attribute__((packed)); /* the buffer may stand anywhere */

/* Of whoever has the dump. */
static struct {
	int64_t looked_s; /* CLOCK_BOOTTIME; 0: never. A child of a fork need not look again */
	char folder[1024];
	char head[HEAD_BYTES];
} left;

static int64_t seconds_of(clockid_t clock)
{
	struct timespec now = {0, 0};

	clock_gettime(clock, &now);
	return now.tv_sec;
}

/* The process that wrote it; 0: it is none of ours. */
static pid_t writer_of(int folder, const char *name, int64_t *written_s)
{
	struct stat facts;
	const char *label;
	ssize_t length;
	int64_t pid = 0;
	int fd = (int)syscall(SYS_openat, folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return 0;
	length =
	    fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) ? sys_read(fd, left.head, HEAD_BYTES - 1) : 0;
	sys_close(fd);
	left.head[MAX(length, 0)] = '\0';
	*written_s = facts.st_mtim.tv_sec;
	label = strncmp(left.head, HEAD, strlen(HEAD)) == 0 ? strstr(left.head, PID_LABEL) : NULL;
	if (label == NULL)
		return 0;
	for (label += strlen(PID_LABEL); *label >= '0' && *label <= '9' && pid < INT32_MAX / 10; label++)
		pid = pid * 10 + (*label - '0');
	return *label == '"' ? (pid_t)pid : 0;
}

static bool is_left(pid_t writer, int64_t written_s)
{
	int64_t now_s = seconds_of(CLOCK_REALTIME);
	int64_t booted_s = now_s - seconds_of(CLOCK_BOOTTIME);
	int64_t interval_s = (int64_t)(preload.settings.monitor_interval / SECOND);

	if (written_s < booted_s - BOOT_SLACK_S)
		return true;
	return now_s - written_s > MAX((int64_t)AGE_MIN_S, TICKS_MIN * interval_s) && kill(writer, 0) != 0 &&
	       errno == ESRCH;
}

static void look_at(int folder, const char *pattern, const char *own, const char *name)
{
	int64_t written_s;
	pid_t writer;

	if (!dump_name_matches(pattern, name) || strcmp(name, own) == 0)
		return;
	writer = writer_of(folder, name, &written_s);
	if (writer > 0 && is_left(writer, written_s))
		unlinkat(folder, name, 0);
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

void metrics_left_remove(const char *path, char *buffer, size_t size)
{
	const char *pattern = last_part(preload.settings.metrics_file), *own = last_part(path);
	size_t length = (size_t)(own - path);
	int64_t now_s = seconds_of(CLOCK_BOOTTIME);
	long got;
	int fd;

	if (strstr(pattern, "%p") == NULL || length >= sizeof(left.folder) ||
	    (left.looked_s != 0 && now_s - left.looked_s < LOOK_EVERY_S))
		return;
	left.looked_s = MAX(now_s, (int64_t)1);
	memcpy(left.folder, path, length);
	left.folder[length] = '\0';
	fd = sys_open(length != 0 ? left.folder : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return;
	for (unsigned reads = 0; reads < READS_MAX && (got = syscall(SYS_getdents64, fd, buffer, size)) > 0;
	     reads++) {
		const struct entry *entry;

		for (long at = 0; at < got; at += entry->bytes) {
			entry = (const struct entry *)(buffer + at);
			look_at(fd, pattern, own, entry->name);
		}
	}
	sys_close(fd);
}
