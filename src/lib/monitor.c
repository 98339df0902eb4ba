/*
 * monitor.c -- how scarce memory is: the kernel's word, judged as the interposer does.
 *
 * monitor_look() is called by the upkeep of every pool and by weir_monitor_pressure(); one at a time, under
 * LOCK_monitor, since the files are read into one scratch and the level has a memory (it falls only
 * when it is clearly lower). Reads some small files; allocates nothing.
 */
#include <errno.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/state.h"
#include "pool/pressure.h"

_Static_assert((int)WEIR_PRESSURE_NONE == (int)PRESSURE_NONE && (int)WEIR_PRESSURE_LOW == (int)PRESSURE_LOW &&
		   (int)WEIR_PRESSURE_MEDIUM == (int)PRESSURE_MEDIUM &&
		   (int)WEIR_PRESSURE_CRITICAL == (int)PRESSURE_CRITICAL,
    "levels are told as they are judged");

static struct {
	struct lock lock; /* LOCK_monitor; all below is under it */
	bool is_source_known;
	struct meminfo_source source;
	struct meminfo_scratch scratch;
	enum pressure_level level;
} monitor;

static void tell(struct weir_pressure *told, const struct pressure *pressure)
{
	*told = (struct weir_pressure){
	    .level = (int)pressure->level,
	    .value = pressure->value,
	    .used_bytes = pressure->used_bytes,
	    .limit_bytes = pressure->limit_bytes,
	    .psi_some_avg10 = pressure->psi_some_avg10,
	    .psi_full_avg10 = pressure->psi_full_avg10,
	};
	strncpy(told->source, pressure->source, sizeof(told->source) - 1);
}

int monitor_look(struct weir_pressure *pressure, bool *has_swap)
{
	const struct settings *settings = engine_get()->settings;
	struct process_info process = {0};
	struct meminfo info;
	struct pressure judged;
	int saved = errno;

	lock_acquire(&monitor.lock);
	if (!monitor.is_source_known) {
		meminfo_find(&monitor.source, &monitor.scratch);
		monitor.is_source_known = true;
	}
	meminfo_read(&monitor.source, &info, &monitor.scratch);
	process_info_read(&process, &monitor.scratch);
	judged = pressure_judge(&info, settings->memory_limit, process.rss_bytes, monitor.level);
	monitor.level = judged.level;
	lock_release(&monitor.lock);
	engine_set_memory_limit(pressure_memory_limit(&info, settings->memory_limit),
	    pressure_memory_used(&info, settings->memory_limit, process.rss_bytes));
	tell(pressure, &judged);
	*has_swap = info.swap_free_bytes != 0;
	errno = saved;
	return strcmp(judged.source, "none") == 0 ? WEIR_ERROR_UNAVAILABLE : WEIR_OK;
}

int weir_monitor_pressure(struct weir_pressure *pressure)
{
	bool has_swap;

	return pressure == NULL ? WEIR_ERROR_INVALID : monitor_look(pressure, &has_swap);
}

void monitor_fork_prepare(void)
{
	lock_acquire(&monitor.lock);
}

void monitor_fork_done(bool is_child)
{
	if (!is_child) {
		lock_release(&monitor.lock);
		return;
	}
	/* The child may be put into another cgroup. */
	monitor.is_source_known = false;
	lock_reset(&monitor.lock);
}
