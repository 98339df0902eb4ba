/*
 * target_pool.c -- a snapshot of a process with Weir, as a dump has it, made from outside.
 *
 * The pool's figures come from pool_stats_collect(), run over copies of the process's structures
 * that are put in the place of ours while it runs: this process has no pool of its own. Called by the
 * verbs by way of target_snapshot() and target_classes().
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/process.h"
#include "cli/target_parts.h"
#include "pool/apart.h"
#include "pool/arenas.h"
#include "pool/pool.h"

/* Copies of its structures, in the place of ours, with pointers to copies of its tables. */
static enum target_result borrow_pool(struct target *target)
{
	enum target_result result = target_read_part(target, STATE_RANGE, &range);
	uint64_t pages, chunks;
	uintptr_t theirs;

	if (result == TARGET_OK)
		result = target_read_part(target, STATE_POOL, &pool);
	if (result == TARGET_OK)
		result = target_read_part(target, STATE_ARENAS, &arenas);
	if (result == TARGET_OK)
		result = target_read_part(target, STATE_MAGAZINES, &magazines);
	if (result != TARGET_OK || range.bytes == 0)
		return result;
	pages = MIN((uint64_t)range_committed(), (uint64_t)range.bytes >> PAGE_SHIFT);
	chunks = (pages >> (CHUNK_SHIFT - PAGE_SHIFT)) + 1;
	arenas.count = MIN(arenas.count, (unsigned)ARENAS_MAX);
	atomic_store_explicit(&arenas.used,
	    MIN(atomic_load_explicit(&arenas.used, memory_order_relaxed), arenas.count),
	    memory_order_relaxed);
	if (!target_room(&target->runs, &target->runs_room, (pages + 1) * sizeof(struct run)) ||
	    !target_room(&target->owners, &target->owners_room, chunks) ||
	    !target_room(&target->arenas, &target->arenas_room, (arenas.count + 1) * sizeof(struct arena)))
		return target_failed(target, ENOMEM);
	theirs = (uintptr_t)range.runs;
	result = target_read(target, theirs, target->runs, pages * sizeof(struct run));
	if (result == TARGET_OK)
		result = target_read(target, (uintptr_t)range.owners, target->owners, chunks);
	if (result == TARGET_OK)
		result = target_read(
		    target, (uintptr_t)arenas.at, target->arenas, arenas.count * sizeof(struct arena));
	range.runs = target->runs;
	range.owners = target->owners;
	range.hot = range.edges = NULL;
	arenas.at = target->arenas;
	atomic_store_explicit(&range.committed_pages, (uint32_t)pages, memory_order_relaxed);
	target->pages = result == TARGET_OK ? (uint32_t)pages : 0;
	return result;
}

void target_classes(const struct target *target, struct target_class *classes)
{
	memset(classes, 0, SIZE_CLASSES * sizeof *classes);
	for (uint32_t page = 1; page < target->pages;) {
		const struct run *run = &target->runs[page];
		struct target_class *class = &classes[MIN((unsigned)run->size_class, SIZE_CLASSES - 1u)];
		uint64_t length = run->pages, hot;

		if (run_is_buffer(run->state)) {
			bool is_slot = size_class_is_slab(run->size_class), is_idle = run->state == RUN_IDLE;

			class->in_use += !is_idle;
			class->idle += is_idle;
			class->uses += run->buffer.use_count;
			if (!is_idle) {
				class->requested_bytes += run->buffer.size;
				class->in_use_bytes +=
				    is_slot ? size_class_bytes(run->size_class) : length << PAGE_SHIFT;
			}
			length = is_slot ? 1 : length;
		} else if (run->state == RUN_FREE && length > 0) {
			class = &classes[size_class_within(
			    (uint32_t)MIN(length, (uint64_t)SIZE_CLASS_MAX_BYTES >> PAGE_SHIFT))];
			hot = MIN((uint64_t)run->free.hot_pages, length);
			class->free_hot_bytes += hot << PAGE_SHIFT;
			class->free_cold_bytes += (length - hot) << PAGE_SHIFT;
		} else if (run->state == RUN_SLOTS) {
			length = apart_slab_pages(run);
		} else if (run->state != RUN_APART) {
			length = 1;
		}
		page += length == 0 || length > target->pages - page ? 1 : (uint32_t)length;
	}
}

static void return_pool(void)
{
	range = (struct range){.bytes = 0};
	arenas = (struct arenas){.at = NULL};
}

static uint64_t uptime_of(const struct target *target)
{
	struct timespec now;
	uint64_t elapsed;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	elapsed = (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
	elapsed -= MIN(elapsed, target->state.clock_origin_ns);
	return (uint64_t)((double)elapsed * target->settings.time_scale);
}

enum target_result target_snapshot(struct target *target, struct snapshot *snapshot)
{
	const struct state_figures *figures = &target->state.figures;
	enum target_result result = target_refresh(target);
	struct process process;

	if (result == TARGET_OK)
		result = borrow_pool(target);
	if (result != TARGET_OK) {
		return_pool();
		return result;
	}
	*snapshot = (struct snapshot){.settings = &target->settings, .pid = (uint32_t)target->pid};
	snprintf(snapshot->program, sizeof snapshot->program, "%s", target->state.program);
	snprintf(snapshot->exe, sizeof snapshot->exe, "%s", target->state.exe);
	process_boot_id(snapshot->boot_id, sizeof snapshot->boot_id);
	snapshot->started_at_ns = target->state.started_at_ns;
	snapshot->taken_at_ns = clock_unix_now_ns();
	snapshot->uptime_ns = uptime_of(target);
	snapshot->now_ticks = ns_to_ticks(snapshot->uptime_ns);
	snapshot->trigger = TRIGGER_COMMAND;
	snapshot->buffer_count = pool_stats_collect(&snapshot->pool, snapshot->buffers, SNAPSHOT_BUFFERS_MAX);
	return_pool();
	result = target_track(target, &snapshot->track);
	if (result != TARGET_OK)
		return result;
	snapshot->pressure = figures->pressure;
	snapshot->pressure.source = figures->ticks > 0 ? figures->pressure_source : "none";
	snapshot->fallback = figures->fallback;
	snapshot->background = figures->ticks > 0 ? figures->background : "none";
	if (!process_read(target->pid, &process))
		return TARGET_GONE;
	snapshot->process = (struct process_info){
	    .rss_bytes = process.rss_bytes,
	    .minor_faults = process.minor_faults,
	    .major_faults = process.major_faults,
	    .threads = process.threads,
	};
	advice_derive(snapshot);
	return TARGET_OK;
}
