/*
 * target_explain.c -- why a process could not be read, and what can be done about it.
 *
 * Called by every verb that reads processes. It looks at the process's owner and at the kernel's
 * settings, to name the reason that holds here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/process.h"
#include "cli/target.h"

static long yama_scope(void)
{
	FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	char line[16] = "0";

	if (file == NULL)
		return 0;
	if (fgets(line, sizeof line, file) == NULL)
		line[0] = '\0';
	fclose(file);
	return strtol(line, NULL, 10);
}

static void explain_denied(const struct target *target, char *text, size_t size)
{
	int pid = (int)target->pid;
	long scope = yama_scope();
	struct process process;

	if (!process_read(target->pid, &process)) {
		snprintf(text, size, "process %d is gone", pid);
		return;
	}
	if (geteuid() != 0 && process.uid != geteuid() && process.uid != 0)
		snprintf(text, size,
		    "process %d belongs to user %u, or has changed its user: its memory may be read by root (sudo weir ...)",
		    pid, (unsigned)process.uid);
	else if (scope == 3)
		snprintf(text, size,
		    "the kernel lets nobody read another process's memory (kernel.yama.ptrace_scope=3); "
		    "kill -USR1 %d still makes it dump",
		    pid);
	else if (scope != 0 && geteuid() != 0)
		snprintf(text, size,
		    "the kernel lets only root read the memory of process %d (kernel.yama.ptrace_scope=%ld): "
		    "sudo weir ..., or setcap cap_sys_ptrace+ep on weir, or sysctl kernel.yama.ptrace_scope=0",
		    pid, scope);
	else
		snprintf(text, size,
		    "the memory of process %d may not be read: it runs with other rights than you "
		    "(it has changed its user, say), or a container forbids ptrace; root may (sudo weir ..., "
		    "docker run --cap-add SYS_PTRACE)",
		    pid);
}

void target_explain(const struct target *target, enum target_result result, char *text, size_t size)
{
	int pid = (int)target->pid;

	switch (result) {
	case TARGET_GONE:
		snprintf(text, size, "process %d is gone", pid);
		break;
	case TARGET_NO_WEIR:
		snprintf(text, size, "process %d does not run with Weir", pid);
		break;
	case TARGET_DENIED:
		explain_denied(target, text, size);
		break;
	case TARGET_STARTING:
		snprintf(text, size, "Weir is not up yet in process %d", pid);
		break;
	case TARGET_OTHER_VERSION:
		snprintf(text, size,
		    "process %d runs with another build of Weir (%s) than this command (%s): "
		    "use the weir that was installed with it; a signal still makes it dump",
		    pid, target->version[0] != '\0' ? target->version : "unknown", WEIR_VERSION);
		break;
	case TARGET_CHANGED:
		snprintf(text, size, "process %d became another program while it was read", pid);
		break;
	default:
		snprintf(text, size, "process %d cannot be read: %s", pid, strerror(target->error));
	}
}
