/*
 * process_find.c -- the process that the user means: by its pid, or by its name.
 *
 * Called by the verbs that ask a process for something. A process may be gone between any two lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/process.h"
#include "cli/target.h"

static bool is_called(pid_t pid, const char *name)
{
	static struct target target;
	struct process process;
	bool is_name;

	if (!process_read(pid, &process))
		return false;
	if (strncmp(process.name, name, 15) == 0 && (strlen(name) <= 15 || strlen(process.name) == 15))
		return true;
	/* A thread may have given it another name; ours is as it was started. */
	if (target_attach(&target, pid) != TARGET_OK)
		return false;
	is_name = strcmp(target.state.program, name) == 0;
	target_detach(&target);
	return is_name;
}

static bool find_by_name(const char *name, pid_t *pid)
{
	size_t count, found = 0;
	pid_t *pids = process_all(&count);
	char list[256] = "";

	for (size_t i = 0; pids != NULL && i < count; i++) {
		int error;
		size_t used = strlen(list);

		if (process_weir_base(pids[i], &error) == 0 || !is_called(pids[i], name))
			continue;
		found++;
		*pid = pids[i];
		if (used + 16 < sizeof list)
			snprintf(list + used, sizeof list - used, " %d", (int)pids[i]);
	}
	free(pids);
	if (found == 1)
		return true;
	if (found == 0)
		complain("no process with Weir is called %s; `weir list` says which there are", name);
	else
		complain("%zu processes with Weir are called %s:%s; which?", found, name, list);
	return false;
}

bool process_find(const char *text, pid_t *pid)
{
	char *end;
	long number = strtol(text, &end, 10);
	struct process process;

	if (*text == '\0' || *end != '\0')
		return find_by_name(text, pid);
	if (number <= 0 || number != (pid_t)number || !process_read((pid_t)number, &process)) {
		complain("there is no process %s", text);
		return false;
	}
	*pid = (pid_t)number;
	return true;
}
