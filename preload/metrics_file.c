/*
 * metrics_file.c -- WEIR_METRICS_FILE: metrics where a collector picks them up.
 *
 * Called by the dump, which has the snapshot, at every monitor tick. The file is written
 * under another name beside it and renamed, so that whoever reads it reads a whole one.
 * node_exporter's textfile collector reads *.prom in Prometheus' text form; whoever
 * reads another file is taken to read OpenMetrics.
 *
 * What cannot be written is said once, until it could be written again. One at a time:
 * whoever calls has the dump. No lock, no allocation.
 */
#include "preload/metrics_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "preload/metrics_left.h"
#include "preload/preload.h"
#include "report/dump_name.h"
#include "report/metrics.h"

#define PATH_SIZE 1024
#define ENDING ".prom"

/* Of whoever has the dump. */
static struct {
	char path[PATH_SIZE], beside[PATH_SIZE + 32];
	uint32_t pid; /* who has written the file */
	bool is_complained;
	struct log_line line;
} metrics_file;

bool metrics_file_is_off(void)
{
	return strcmp(preload.settings.metrics_file, "none") == 0;
}

static bool is_prometheus(const char *path)
{
	size_t length = strlen(path);

	return length >= strlen(ENDING) && strcmp(path + length - strlen(ENDING), ENDING) == 0;
}

static bool name_files(const struct snapshot *snapshot)
{
	struct dump_name name = {
	    .pattern = preload.settings.metrics_file,
	    .exe = metrics_program_name(snapshot),
	    .pid = snapshot->pid,
	    .unix_ns = snapshot->started_at_ns,
	    .ending = "",
	};
	struct out out;

	if (!dump_name_expand(metrics_file.path, sizeof(metrics_file.path), &name, 0))
		return false;
	/* No collector takes it for one of its own: it ends in the process id. */
	out_init(&out, -1, metrics_file.beside, sizeof(metrics_file.beside) - 1);
	out_str(&out, metrics_file.path);
	out_str(&out, ".new.");
	out_u64(&out, snapshot->pid);
	metrics_file.beside[out.used] = '\0';
	return out.error == 0;
}

static int write_beside(const struct snapshot *snapshot, char *buffer, size_t size)
{
	struct out out;
	int fd;

	/* A process of the same id may have left one. */
	unlink(metrics_file.beside);
	fd = sys_open(metrics_file.beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
	if (fd < 0)
		return errno;
	out_init(&out, fd, buffer, size);
	if (is_prometheus(metrics_file.path))
		write_prometheus(&out, snapshot);
	else
		write_openmetrics(&out, snapshot);
	out_flush(&out);
	if (sys_close(fd) != 0 && out.error == 0 && errno != EINTR)
		out.error = errno;
	return out.error;
}

static void warn_once(int error)
{
	const char *reason = strerrordesc_np(error);

	if (metrics_file.is_complained || !log_begin(&metrics_file.line, LOG_WARN))
		return;
	metrics_file.is_complained = true;
	out_str(&metrics_file.line.out, "WEIR_METRICS_FILE: cannot write ");
	out_str(&metrics_file.line.out, metrics_file.path);
	out_str(&metrics_file.line.out, ": ");
	out_str(&metrics_file.line.out, reason != NULL ? reason : "unknown error");
	log_end(&metrics_file.line);
}

void metrics_file_write(const struct snapshot *snapshot, char *buffer, size_t size)
{
	int error = name_files(snapshot) ? 0 : ENAMETOOLONG;

	if (error == 0)
		error = write_beside(snapshot, buffer, size);
	if (error == 0 && rename(metrics_file.beside, metrics_file.path) != 0)
		error = errno;
	if (error == 0) {
		metrics_file.pid = snapshot->pid;
		metrics_file.is_complained = false;
		metrics_left_remove(metrics_file.path, buffer, size);
		return;
	}
	unlink(metrics_file.beside);
	warn_once(error);
}

void metrics_file_remove(void)
{
	if (metrics_file.pid == (uint32_t)getpid())
		unlink(metrics_file.path);
}
