/*
 * meminfo.h -- what the kernel says about memory: limits, use, stall times.
 *
 * Everything is read with open, read, close on small files into the caller's
 * scratch, so a call needs a few hundred bytes of stack: malloc may run on that of a
 * coroutine, and a dump on a small alternate one. No malloc, no stdio; may be called
 * under any lock and in a signal handler. A source that is absent is simply not set.
 */
#ifndef WEIR_BASE_MEMINFO_H
#define WEIR_BASE_MEMINFO_H

#include "base/compiler.h"

#define MEMINFO_PATH_MAX 512

/* Room to work in; means nothing between calls. One call at a time. */
struct meminfo_scratch {
	char lines[1024]; /* of the file that is read */
	char path[MEMINFO_PATH_MAX + 256];
	char cgroup_path[MEMINFO_PATH_MAX];
};

/* Where this process's cgroup files are; found once (mountinfo and
 * /proc/self/cgroup), looked up again after fork only if asked. */
struct meminfo_source {
	enum { CGROUP_NONE, CGROUP_V1, CGROUP_V2 } cgroup;
	char directory[MEMINFO_PATH_MAX]; /* of the cgroup, no slash at the end */
	size_t mount_length;		  /* so much of directory is the mount point: the way up ends there */
	char psi_directory[MEMINFO_PATH_MAX]; /* where memory.pressure is, also on a hybrid mount; "": none */
};

/* One limit, to be looked at often: where the least is left. */
struct meminfo_gauge {
	size_t length; /* so much of the source's directory is its cgroup; 0: the limit is RAM */
	uint64_t limit_bytes;
};

struct meminfo {
	uint64_t total_bytes;	  /* RAM */
	uint64_t available_bytes; /* MemAvailable */
	uint64_t swap_free_bytes;

	bool has_cgroup;
	uint64_t cgroup_limit_bytes; /* the tightest hard limit on the way up; UINT64_MAX: none */
	uint64_t cgroup_high_bytes;  /* memory.high or soft limit; UINT64_MAX: none */
	uint64_t cgroup_used_bytes;  /* where that limit is set (no limit: our own); less inactive file
				      * pages, which the kernel gives up first */

	/* The level on the way up that is fullest by its own measure: its use may be that of
	 * siblings, and it is where the kernel will start. 0 and UINT64_MAX: none. */
	uint64_t fullest_used_bytes, fullest_limit_bytes;
	uint64_t fullest_high_used_bytes, fullest_high_bytes;

	struct meminfo_gauge gauge; /* where, of all of these, the least is left */

	bool has_psi;			       /* the cgroup's own where there is one, else the system's */
	double psi_some_avg10, psi_full_avg10; /* 0..1 */
	uint64_t psi_some_total_us;
};

void meminfo_find(struct meminfo_source *source, struct meminfo_scratch *scratch);
void meminfo_read(const struct meminfo_source *source, struct meminfo *info, struct meminfo_scratch *scratch);

/*
 * How many bytes are left below the gauge's limit: exactly so if it is less than enough; else at least
 * enough, which one small file says. UINT64_MAX: not known.
 */
uint64_t meminfo_room(const struct meminfo_source *source, const struct meminfo_gauge *gauge, uint64_t enough,
    struct meminfo_scratch *scratch);

struct process_info {
	uint64_t rss_bytes;
	uint64_t minor_faults, major_faults;
	uint64_t threads;
};
bool process_info_read(struct process_info *info, struct meminfo_scratch *scratch); /* /proc/self/stat */

/* Test hook: a directory put before every absolute path that is opened; "" in production. */
extern const char *meminfo_root;

#endif
