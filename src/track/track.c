/*
 * track.c -- the facade: births, deaths, the tick, and what a dump gets.
 *
 * track_birth() and track_death() run within malloc and free, on cold paths. Both take locks for
 * nanoseconds (LOCK_sites, a stripe), so neither may interrupt itself: a flag of the thread
 * says that tracking is at work. A signal handler that allocates meanwhile goes
 * untracked, one that frees leaves the death for the tick. (A handler that jumps out of
 * malloc, which no allocator allows, leaves the flag set: that thread is tracked no more.)
 *
 * Tracking sleeps until it is worth its tables: a process that allocates little and ends soon has none,
 * and never unwinds. track_wake() makes them within malloc, with no lock held. The unwinder and the loader
 * may allocate at their first use then, which the flag of the thread keeps from being tracked.
 *
 * realloc: who asked for the size that a buffer has is who holds it, so it leaves the site it had for that of the
 * call, moved or not, as for heaptrack and the profilers of jemalloc and tcmalloc. At a site, ages and lifetimes
 * count from there: until then it was not at risk of being lost by that site's callers, and a site whose objects came to
 * it old would look as if none died young there (immortal time, as it is called of patients). Nor has it died where it was: there
 * its birth is taken back, so that a store whose entries grow in steps is one that frees nothing. When the buffer itself
 * was made, the pool knows.
 *
 * The rule of accounting: facts of a site and the lifetimes beside them are plain words under the
 * stripe of the site's row; samples are lock-free; statistics are relaxed atomics.
 */
#include "track/track.h"

#include <string.h>

#include "base/clock.h"
#include "base/single.h"
#include "base/sys.h"
#include "track/cold.h"
#include "track/collect.h"
#include "track/modules.h"
#include "track/rules.h"
#include "track/sampler.h"
#include "track/samples.h"
#include "track/sites.h"
#include "track/stack.h"
#include "track/tick.h"

#define DEFERRED_MAX 256

struct lifetimes {
	double freed[TRACK_SIZE_GROUPS][TRACK_AGE_BUCKETS]; /* weights */
};

enum phase { PHASE_OFF, PHASE_ASLEEP, PHASE_WAKING, PHASE_AWAKE };

static struct {
	_Atomic enum phase phase;    /* AWAKE: release once all tables are there; acquire by everybody */
	bool is_compressing;	     /* frozen by track_prepare() */
	struct lifetimes *lifetimes; /* frozen once awake; one a stripe, under its lock */
	/* Samples whose deaths could not be counted at once; 0: free. Acquire and release by exchange. */
	_Atomic uint32_t deferred[DEFERRED_MAX];
	/* Relaxed; statistics. */
	_Atomic uint64_t stacks_captured, stacks_dropped, stacks_truncated, tables_read, samples_dropped,
	    deaths_lost;
} track;

/* Tracking is at work in this thread. */
static __thread bool is_busy __attribute__((tls_model("initial-exec")));

static enum phase phase(void)
{
	return atomic_load_explicit(&track.phase, memory_order_acquire);
}

static bool is_active(void)
{
	return phase() == PHASE_AWAKE;
}

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* The compiler may not move what tracking does to before the flag is set, or after it is cleared: a
 * handler of the same thread reads it. */
static bool enter(void)
{
	if (is_busy)
		return false;
	is_busy = true;
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

static void leave(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	is_busy = false;
}

static size_t lifetimes_bytes(void)
{
	return ROUND_UP(SITES_STRIPES * sizeof(struct lifetimes), PAGE_BYTES);
}

bool track_prepare(const struct settings *settings, uintptr_t own_start, uintptr_t own_end)
{
	if (!settings->track || phase() != PHASE_OFF)
		return false;
	track.is_compressing = settings->compression;
	stack_start(own_start, own_end);
	atomic_store_explicit(&track.phase, PHASE_ASLEEP, memory_order_release);
	return true;
}

static bool make_tables(void)
{
	void *lifetimes = sys_reserve(lifetimes_bytes());

	if (lifetimes == NULL || !sys_commit(lifetimes, lifetimes_bytes()) || !samples_start() ||
	    !modules_start() || !sites_start() || !tick_start())
		return false;
	if (track.is_compressing)
		cold_start();
	track.lifetimes = lifetimes;
	return true;
}

bool track_wake(void)
{
	enum phase asleep = PHASE_ASLEEP;
	bool is_made;

	if (!enter())
		return false;
	/* Acquire: what a child's parent had begun of it is not used. */
	if (!atomic_compare_exchange_strong_explicit(
		&track.phase, &asleep, PHASE_WAKING, memory_order_acquire, memory_order_acquire)) {
		leave();
		return asleep == PHASE_AWAKE;
	}
	is_made = make_tables();
	atomic_store_explicit(&track.phase, is_made ? PHASE_AWAKE : PHASE_OFF, memory_order_release);
	/* It waits for whoever is in dl_iterate_phdr(), who may wait for a lock of the program that our caller
	 * holds. So where there are threads, the tick does it, by a thread that holds nothing. */
	if (is_made && is_single_threaded())
		modules_refresh(sites_retire, sites_mark_modules);
	leave();
	return is_made;
}

bool track_is_asleep(void)
{
	enum phase now = phase();

	return now == PHASE_ASLEEP || now == PHASE_WAKING;
}

/* --- births and deaths ------------------------------------------------------- */

static double seconds(uint32_t ticks)
{
	return (double)ticks / TICKS_PER_SECOND;
}

static unsigned size_group(uint64_t size)
{
	unsigned log = size <= 16 ? 4 : 64 - (unsigned)__builtin_clzl(size - 1);

	return MIN(log - 4, TRACK_SIZE_GROUPS - 1u);
}

static bool capture(struct stack *stack, enum track_kind kind)
{
	if (!stack_capture(stack)) {
		count(&track.stacks_dropped);
		return false;
	}
	count(&track.stacks_captured);
	if (stack->tables_read + stack->crossed != 0) {
		sampler_charge(kind, stack->tables_read + (stack->crossed + 9) / 10);
		atomic_fetch_add_explicit(&track.tables_read, stack->tables_read, memory_order_relaxed);
	}
	if (stack->is_truncated)
		count(&track.stacks_truncated);
	return true;
}

static uint32_t born(const struct stack *stack, size_t size, enum track_kind kind, float weight)
{
	struct sample_facts facts = {
	    .birth = clock_now_ticks(), .size = size, .weight = weight, .kind = kind};
	uint32_t sample;

	for (;;) {
		uint64_t key;

		facts.site = sites_find(stack, &key);
		/* The sample first: it is what keeps the row. */
		sample = samples_take(&facts);
		if (sample == 0) {
			count(&track.samples_dropped);
			return 0;
		}
		if (LIKELY(sites_birth(facts.site, key, seconds(facts.birth), size, (double)weight)))
			return sample;
		/* The row was given to another stack just now. */
		samples_remove(sample, &facts);
	}
}

uint32_t track_birth(void *p UNUSED, size_t size, enum track_kind kind, float weight)
{
	struct stack stack;
	uint32_t sample = 0;

	if (!is_active())
		return 0;
	if (!enter()) {
		count(&track.stacks_dropped);
		return 0;
	}
	if (capture(&stack, kind))
		sample = born(&stack, size, kind, weight);
	leave();
	return sample;
}

static void died(uint32_t sample)
{
	struct sample_facts facts;
	uint32_t now = clock_now_ticks(), age;
	struct lifetimes *lifetimes;
	double *bucket;

	if (!samples_remove(sample, &facts))
		return;
	age = (int32_t)(now - facts.birth) > 0 ? now - facts.birth : 0;
	sites_death(facts.site, seconds(now), seconds(facts.birth), facts.size, (double)facts.weight);
	lifetimes = &track.lifetimes[facts.site % SITES_STRIPES];
	bucket = &lifetimes->freed[size_group(facts.size)][tick_age_bucket(age)];
	sites_lock_facts(facts.site);
	*bucket += (double)facts.weight;
	sites_unlock_facts(facts.site);
}

static void defer(uint32_t sample)
{
	struct sample_facts facts;

	for (unsigned i = 0; i < DEFERRED_MAX; i++) {
		uint32_t nothing = 0;

		if (atomic_compare_exchange_strong_explicit(
			&track.deferred[i], &nothing, sample, memory_order_release, memory_order_relaxed))
			return;
	}
	/* Its site will count it as live; at least no tick finds it any more. */
	samples_remove(sample, &facts);
	count(&track.deaths_lost);
}

void track_death(uint32_t sample)
{
	if (!is_active())
		return;
	if (!enter()) {
		defer(sample);
		return;
	}
	died(sample);
	leave();
}

static void left(const struct sample_facts *facts)
{
	sites_leave(facts->site, facts->size, (double)facts->weight);
}

/* To the site of this call, if that may be looked at. Past the budget only the size is another. */
static uint32_t resized(uint32_t sample, size_t size)
{
	struct sample_facts before;
	struct stack stack;

	if (!samples_read(sample, &before))
		return 0;
	if (!sampler_may_follow(before.kind, sampler_second()) || !capture(&stack, before.kind)) {
		if (samples_resize(sample, size, &before))
			sites_resize(before.site, before.size, size, (double)before.weight);
		return sample;
	}
	/* It may have been thinned away just now. */
	if (!samples_remove(sample, &before))
		return 0;
	left(&before);
	return born(&stack, size, before.kind, before.weight);
}

uint32_t track_resize(uint32_t sample, size_t size)
{
	if (!is_active() || !enter())
		return sample;
	sample = resized(sample, size);
	leave();
	return sample;
}

void track_leave(uint32_t sample)
{
	struct sample_facts facts;

	if (!is_active())
		return;
	if (!enter()) {
		defer(sample);
		return;
	}
	if (samples_remove(sample, &facts))
		left(&facts);
	leave();
}

/* --- the tick ---------------------------------------------------------------- */

static void take_deferred(void)
{
	for (unsigned i = 0; i < DEFERRED_MAX; i++) {
		uint32_t sample = atomic_load_explicit(&track.deferred[i], memory_order_relaxed);

		if (sample == 0)
			continue;
		sample = atomic_exchange_explicit(&track.deferred[i], 0, memory_order_acquire);
		if (sample != 0)
			died(sample);
	}
}

void track_tick(const struct track_facts *facts)
{
	if (!is_active() || !enter())
		return;
	take_deferred();
	tick_run(facts);
	leave();
}

void track_modules_changed(void)
{
	if (!is_active() || !enter())
		return;
	/* Whatever the refresh says: another one may be at work. */
	rules_forget();
	if (modules_refresh(sites_retire, sites_mark_modules))
		sites_resolve();
	leave();
}

/* --- fork -------------------------------------------------------------------- */

/* The locks are there from the start, so it is all one whether another thread makes the tables meanwhile. */
void track_fork_wait(void)
{
	modules_fork_prepare();
}

void track_fork_prepare(void)
{
	sites_fork_prepare();
}

static void fork_done(bool is_child)
{
	sites_fork_done(is_child);
	modules_fork_done(is_child);
}

void track_fork_parent(void)
{
	fork_done(false);
}

void track_fork_child(void)
{
	enum phase waking = PHASE_WAKING;

	fork_done(true);
	/* Who was at it is not in this process: from the beginning. */
	atomic_compare_exchange_strong_explicit(
	    &track.phase, &waking, PHASE_ASLEEP, memory_order_relaxed, memory_order_relaxed);
}

/* --- for the dump ------------------------------------------------------------ */

uint64_t track_site_of(uint32_t sample)
{
	struct sample_facts facts;

	if (!is_active() || sample == 0 || !samples_read(sample, &facts) || facts.site >= SITES_ROWS)
		return 0;
	return LOAD_RELAXED(&sites_at(sites_home(facts.site))->id);
}

UNLOCKED_READER static void put_lifetimes(struct track_lifetimes *to)
{
	memset(to, 0, sizeof(*to));
	for (unsigned stripe = 0; stripe < SITES_STRIPES; stripe++) {
		for (unsigned group = 0; group < TRACK_SIZE_GROUPS; group++) {
			for (unsigned age = 0; age < TRACK_AGE_BUCKETS; age++) {
				double weight = collect_load(&track.lifetimes[stripe].freed[group][age]);

				to->freed_by_size[group][age] += weight;
				to->freed[age] += weight;
			}
		}
	}
	for (unsigned age = 0; age < TRACK_AGE_BUCKETS; age++)
		to->live[age] = collect_load(&tick_result()->live_ages[age]);
}

static void put_counters(struct track_counters *to)
{
	const struct tick_result *result = tick_result();
	struct samples_counters samples;
	struct sites_counters sites;
	struct cold_counters cold;

	cold_count(&cold);
	samples_count(&samples);
	sites_count(&sites);
	to->table_bytes = samples.bytes + sites.bytes + modules_table_bytes() + tick_table_bytes() +
			  lifetimes_bytes() + rules_table_bytes() + cold.table_bytes;
	to->table_bytes_used =
	    samples.bytes_used + sites.bytes_used + modules_count() * sizeof(struct module) +
	    sites_rows_used() * tick_table_bytes() / SITES_ROWS + lifetimes_bytes() + rules_table_bytes();
	to->samples_live = samples.live;
	to->samples_max = SAMPLES_MAX;
	to->samples_dropped = samples.refused;
	to->samples_thinned = samples.thinned;
	to->deaths_lost = atomic_load_explicit(&track.deaths_lost, memory_order_relaxed);
	to->stacks_captured = atomic_load_explicit(&track.stacks_captured, memory_order_relaxed);
	to->stacks_dropped = atomic_load_explicit(&track.stacks_dropped, memory_order_relaxed);
	to->stacks_truncated = atomic_load_explicit(&track.stacks_truncated, memory_order_relaxed);
	to->tables_read = atomic_load_explicit(&track.tables_read, memory_order_relaxed);
	to->sites_used = sites_rows_used();
	to->sites_max = SITES_MAX;
	to->sites_left_out = sites.left_out;
	to->sites_evicted = sites.evicted;
	to->modules_left_out = modules_left_out();
	to->paged_out_bytes = cold.paged_out_bytes;
	to->refaults = cold.refaults;
	to->ticks = LOAD_RELAXED(&result->ticks);
	to->last_tick_ns = LOAD_RELAXED(&result->last_ns);
	to->longest_tick_ns = LOAD_RELAXED(&result->longest_ns);
}

void track_collect(struct track_snapshot *snapshot)
{
	snapshot->is_active = phase() != PHASE_OFF;
	if (!snapshot->is_active)
		return;
	if (track_is_asleep()) {
		*snapshot = (struct track_snapshot){.is_active = true};
		collect_risk(&snapshot->risk);
		put_counters(&snapshot->counters);
		snapshot->counters.table_bytes_used = 0;
		return;
	}
	collect_risk(&snapshot->risk);
	collect_sites(snapshot);
	put_lifetimes(&snapshot->lifetimes);
	snapshot->mapping_count = collect_mappings(snapshot->mappings);
	put_counters(&snapshot->counters);
}
