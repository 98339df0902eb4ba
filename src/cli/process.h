/*
 * process.h -- what /proc says of a process, and which processes there are.
 */
#ifndef WEIR_CLI_PROCESS_H
#define WEIR_CLI_PROCESS_H

#include <sys/types.h>

#include "base/compiler.h"

struct process {
	pid_t pid;
	uid_t uid;
	char name[64];	      /* as the kernel has it, which cuts it at 15 bytes; nothing unprintable */
	char state;	      /* R, S, D, T (stopped), t (traced), Z */
	uint64_t start_ticks; /* since boot: with the pid it tells a process from its successor */
	double uptime_seconds;
	uint64_t rss_bytes, minor_faults, major_faults, threads;
};

/* False: it is gone. */
bool process_read(pid_t pid, struct process *process);

/* Where in the process the object that is preloaded begins; 0 and *error: it has none (0), its maps
 * cannot be read (EACCES), or it is gone (ESRCH). */
uint64_t process_weir_base(pid_t pid, int *error);

/* What names the time since this machine was booted, in all dumps that are made in it; "": not known. */
void process_boot_id(char *id, size_t size);

/* Pids of all processes, ascending; to be freed. NULL: no /proc. */
pid_t *process_all(size_t *count);

/*
 * The process that text names: a pid, or the program's name where just one process with Weir has
 * it. False, with a complaint.
 */
bool process_find(const char *text, pid_t *pid);

/*
 * The process's thread that has this id in the process's own pid namespace, by the id that it has in ours; 0: there
 * is none.
 */
pid_t process_thread(pid_t pid, pid_t inner);

/* Whose the files are that it makes; what /proc says to be its owner is root for one that has changed its user. */
bool process_user(pid_t pid, uid_t *user);

/* The process's id as it sees itself: of the innermost pid namespace that it is in. */
pid_t process_inner_pid(pid_t pid);

/*
 * The folder of path as the process sees it, opened with O_PATH below the process's own root, so that no link there leads
 * out of it; *name is what is in it. A relative path begins where the process stands. -1 with errno.
 */
int process_open_folder(pid_t pid, const char *path, const char **name);

/* Its state, as in struct process; '\0': it is gone. */
char process_thread_state(pid_t pid, pid_t thread);

/* How many seccomp filters judge its calls; UINT32_MAX: not known. */
uint32_t process_thread_filters(pid_t pid, pid_t thread);

/* Whether that thread blocks the signal, or nothing is known of it. */
bool process_thread_blocks(pid_t pid, pid_t thread, int signal_number);

/* In how many of its threads the signal is blocked, of how many; false: not known. */
bool process_blocked(pid_t pid, int signal_number, unsigned *blocked, unsigned *threads);

#endif
