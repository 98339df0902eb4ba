/*
 * perf_map_open.c -- which file is the map of a process's generated code, and may be believed.
 *
 * The custom is /tmp/perf-PID.map, with the pid and the /tmp that the process itself sees. Into
 * /tmp anybody can write, pids are used again, and in a container a program may have the same one each
 * time: so the owner counts, as for perf, and when the file was written last. What is no
 * regular file is not waited for, and a link not followed.
 *
 * A file that the user names is taken as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/perf_map.h"
#include "cli/process.h"

/* A file's time is that of the kernel's last tick, which may be so long ago. */
#define FILE_TIME_SLACK_NS (10 * MILLISECOND)

enum perf_map_verdict perf_map_judge(const struct stat *file, const struct perf_map_wish *wish, uid_t us)
{
	uint64_t written_ns =
	    (uint64_t)MAX(file->st_mtim.tv_sec, 0) * SECOND + (uint64_t)file->st_mtim.tv_nsec;

	if (!S_ISREG(file->st_mode))
		return PERF_MAP_NO_FILE;
	if (file->st_uid != 0 && file->st_uid != us && file->st_uid != wish->owner)
		return PERF_MAP_FOREIGN;
	if (wish->started_at_ns == 0 || written_ns + FILE_TIME_SLACK_NS < wish->started_at_ns)
		return PERF_MAP_OLD;
	return PERF_MAP_FIT;
}

/* The folder is a descriptor of /tmp as the process sees it. */
static int open_in(int folder, const char *name)
{
	return openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int perf_map_open(
    const struct perf_map_wish *wish, char path[PERF_MAP_PATH_MAX], enum perf_map_verdict *verdict)
{
	pid_t pid = wish->is_live ? process_inner_pid(wish->pid) : wish->pid;
	const char *name;
	struct stat file;
	int folder, fd;

	snprintf(path, PERF_MAP_PATH_MAX, "/tmp/perf-%d.map", (int)pid);
	if (wish->is_live) {
		folder = process_open_folder(wish->pid, path, &name);
	} else {
		folder = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
		name = path + sizeof "/tmp";
	}
	*verdict = PERF_MAP_ABSENT;
	if (folder < 0)
		return -1;
	fd = open_in(folder, name);
	if (fd < 0 && errno != ENOENT)
		*verdict = errno == EACCES ? PERF_MAP_FOREIGN : PERF_MAP_NO_FILE;
	close(folder);
	if (fd < 0)
		return -1;
	*verdict = fstat(fd, &file) == 0 ? perf_map_judge(&file, wish, geteuid()) : PERF_MAP_NO_FILE;
	if (*verdict == PERF_MAP_FIT)
		return fd;
	close(fd);
	return -1;
}

struct perf_map *perf_map_read_named(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), error;
	struct perf_map *map = NULL;
	struct stat file;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
		map = perf_map_read(fd);
		error = errno;
	} else {
		error = EINVAL;
	}
	close(fd);
	errno = error;
	return map;
}
