/*
 * report_live.c -- the dump that `weir report PROCESS` is about: made from outside, at that moment.
 *
 * As `weir top --once --json` makes it: the process runs nothing for it and writes no file, so
 * it is also had of one that is stopped, blocks its signals or has a full disk.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/dump_file.h"
#include "cli/process.h"
#include "cli/report.h"
#include "cli/target.h"
#include "report/snapshot.h"

/* What may be executed is the program itself, in the folder where one stands, and a folder is its files. */
static bool may_be_dump(const char *name)
{
	struct stat file;

	return stat(name, &file) == 0 && !S_ISDIR(file.st_mode) &&
	       !(S_ISREG(file.st_mode) && (file.st_mode & 0111) != 0);
}

bool report_is_process(const char *name)
{
	static const char *const endings[] = {".json", ".txt", ".gz"};
	const char *ending = strrchr(name, '.');

	for (size_t i = 0; ending != NULL && i < ARRAY_LENGTH(endings); i++)
		if (strcmp(ending, endings[i]) == 0)
			return false;
	/* "-", "." and ".." are none. */
	return strspn(name, "-.") != strlen(name) && strchr(name, '/') == NULL && !may_be_dump(name);
}

static struct dump *read_back(int fd, const char *name, char *why, size_t size)
{
	if (lseek(fd, 0, SEEK_SET) != 0) {
		snprintf(why, size, "%s: cannot be read: %s", name, strerror(errno));
		return NULL;
	}
	return dump_read_open(fd, name, why, size);
}

static struct dump *dump_of(const struct snapshot *snapshot, const char *name, char *why, size_t size)
{
	static char buffer[16384];
	struct dump *dump = NULL;
	struct out out;
	int fd = memfd_create("weir-dump", MFD_CLOEXEC);

	if (fd < 0) {
		snprintf(why, size, "%s: there is no memory for its dump: %s", name, strerror(errno));
		return NULL;
	}
	out_init(&out, fd, buffer, sizeof buffer);
	write_json(&out, snapshot);
	out_flush(&out);
	if (out.error != 0)
		snprintf(why, size, "%s: there is no memory for its dump: %s", name, strerror(out.error));
	else
		dump = read_back(fd, name, why, size);
	close(fd);
	return dump;
}

struct dump *report_live(const char *name, char *why, size_t size)
{
	static struct target target;
	static struct snapshot snapshot;
	enum target_result result;
	struct dump *dump = NULL;
	pid_t pid;

	why[0] = '\0';
	if (!process_find(name, &pid)) {
		/* It has complained, of a process; what was meant may be a file. */
		if (access(name, F_OK) != 0)
			snprintf(why, size, "nor is there a file %s", name);
		return NULL;
	}
	result = target_attach(&target, pid);
	if (result == TARGET_OK)
		result = target_snapshot(&target, &snapshot);
	if (result == TARGET_OK)
		dump = dump_of(&snapshot, name, why, size);
	else
		target_explain(&target, result, why, size);
	target_detach(&target);
	if (dump != NULL)
		dump->is_live = process_user(pid, &dump->owner);
	return dump;
}
