/*
 * pool.c -- the slow paths of the pool: start, misses, overflows, fork.
 *
 * Called by the front end's malloc and free when a magazine is empty or full. Takes
 * locks one at a time as locks.def orders them; never in a signal handler; keeps
 * errno. A request that finds nothing returns NULL, and the front end serves it
 * elsewhere.
 */
#include "pool/pool.h"

#include <string.h>

#include "base/clock.h"
#include "pool/apart.h"
#include "pool/arenas.h"
#include "pool/demand.h"
#include "pool/habit.h"
#include "pool/headroom.h"
#include "pool/limits.h"
#include "pool/reclaim.h"
#include "pool/taking.h"
#include "pool/turn.h"

/* So that a place (range.h) is 32 bits. */
#define RANGE_BYTES_MAX ((size_t)1 << (32 + PLACE_SHIFT))
#define LONG_PAGES 64
/* Of RLIMIT_AS. */
#define ADDRESS_SPACE_SHARE 8
/* A buffer waits for so many of its own uses at most: at one a second, half a minute. */
#define POLL_MASK_MAX 31

struct pool pool = {.min_bytes = SIZE_MAX, .due = UINT32_MAX};

static size_t range_bytes_wanted(uint64_t ram)
{
	uint64_t wanted = GIB, limit = sys_address_space_limit();

	/* Four times RAM leaves room for runs that were purged and not joined yet. */
	while (wanted < 4 * ram && wanted < RANGE_BYTES_MAX)
		wanted *= 2;
	/* Leave most of a tight address space to the program. */
	while (wanted > limit / ADDRESS_SPACE_SHARE)
		wanted /= 2;
	return wanted;
}

/* The share of the pool that one CPU's magazines may hold. */
static void set_budget(void)
{
	uint64_t out = atomic_load_explicit(&pool.out_pages, memory_order_relaxed) << PAGE_SHIFT;
	unsigned cpus = atomic_load_explicit(&magazines.cpus_used, memory_order_relaxed);
	struct magazine_budget budget = magazine_budget(out, MAX(cpus, 1u));

	atomic_store_explicit(&magazines.budget_bytes, budget.bytes, memory_order_relaxed);
	atomic_store_explicit(&magazines.sole_budget_bytes, budget.sole_bytes, memory_order_relaxed);
}

static void set_limit(const struct settings *settings, uint64_t bytes)
{
	uint64_t pages = MIN(bytes, range.bytes) >> PAGE_SHIFT;

	atomic_store_explicit(&pool.limit_pages, pages, memory_order_relaxed);
	atomic_store_explicit(
	    &pool.threshold_pages, (uint64_t)((double)pages * settings->gc_threshold), memory_order_relaxed);
}

bool pool_init(const struct settings *settings)
{
	unsigned cpu_bound = sys_cpu_bound();
	unsigned arena_count = MIN(sys_cpu_usable(), (unsigned)ARENAS_MAX);
	size_t arenas_bytes = ROUND_UP(arena_count * sizeof(struct arena), PAGE_BYTES);
	uint64_t ram = sys_ram_bytes();
	void *extra;

	if (!range_reserve(range_bytes_wanted(ram), arenas_bytes + magazines_memory(cpu_bound), &extra))
		return false;
	arenas_init(extra, arena_count);
	magazines_init((char *)extra + arenas_bytes, cpu_bound);
	apart_init();
	pool.limit_buffers = settings->max_buffers;
	pool.growth_factor = settings->growth_factor;
	if (settings->zero_on_free)
		range.fast_bytes = 0;
	pool.is_zeroing = settings->zero_on_free;
	pool.is_limit_set = settings->pool_limit != 0;
	/* What others use is not known yet: half of it. */
	set_limit(settings, settings->pool_limit != 0
				? settings->pool_limit
				: (settings->memory_limit != 0 ? settings->memory_limit : ram) / 2);
	set_budget();
	demand_init();
	reclaim_init(settings);
	headroom_init(settings);
	STORE_RELAXED(&pool.now, clock_now_ticks());
	pool.min_bytes = settings->min_buffer_size;
	pool.max_bytes = settings->max_buffer_size;
	pool.span_bytes = pool.max_bytes - pool.min_bytes + 1;
	return true;
}

void pool_set_memory_limit(
    const struct settings *settings, uint64_t memory_limit_bytes, uint64_t memory_used_bytes)
{
	/* What stands apart counts against no limit of the pool, so here as the rest of the program does. */
	uint64_t own = (limits_out_pages() + arenas_hot_pages()) << PAGE_SHIFT;

	if (!pool.is_limit_set)
		set_limit(settings, limits_auto_bytes(memory_limit_bytes, memory_used_bytes, own));
}

void pool_fit_address_space(uint64_t limit_bytes)
{
	if (range.bytes != 0 && range.bytes >= limit_bytes)
		range_cut(limit_bytes / ADDRESS_SPACE_SHARE);
}

/* --- time ------------------------------------------------------------------- */

/*
 * Look at the clock. How often that is done follows the load: seldom while the clock
 * stands still between two looks, always while it leaps. So ages are right to a few
 * ticks at any rate of requests, for less than half a ns each at a high one.
 */
static uint32_t look_at_clock(void)
{
	uint32_t before = LOAD_RELAXED(&pool.now), mask = LOAD_RELAXED(&pool.poll_mask);
	uint32_t now = clock_now_ticks();

	if (now == before) {
		if (mask < POLL_MASK_MAX)
			STORE_RELAXED(&pool.poll_mask, mask * 2 + 1);
		return now;
	}
	STORE_RELAXED(&pool.now, now);
	if (now - before > 2 && mask != 0)
		STORE_RELAXED(&pool.poll_mask, 0);
	set_budget();
	arenas_note_demand();
	return now;
}

/* The time on a slow path: looked up at every sixteenth, if the load is high. */
static uint32_t slow_now(unsigned cpu)
{
	struct magazine_cpu *head = magazine_cpu_at(cpu);
	uint32_t count = LOAD_RELAXED(&head->slow_paths);

	uint32_t now;

	STORE_RELAXED(&head->slow_paths, count + 1);
	now = (count & LOAD_RELAXED(&pool.poll_mask) & 15) == 0 ? look_at_clock() : LOAD_RELAXED(&pool.now);
	STORE_RELAXED(&head->slow_at, now);
	return now;
}

static void maintain_if_due(uint32_t now)
{
	void (*maintain)(void) = LOAD_RELAXED(&pool.maintain);

	if (maintain == NULL)
		return;
	if ((int32_t)(now - LOAD_RELAXED(&pool.due)) >= 0 ||
	    atomic_load_explicit(&pool.is_collection_wanted, memory_order_relaxed))
		maintain();
}

void pool_look(void)
{
	maintain_if_due(look_at_clock());
}

/* The use count came round: the buffer is no longer at its first use, though it will say 1. */
static COLD void note_wrap(struct run *run)
{
	atomic_fetch_add_explicit(&pool.lost_uses, (uint64_t)1 << 32, memory_order_relaxed);
	run->buffer.serial &= ~BUFFER_WAS_COLD;
}

COLD void *pool_poll(void *p)
{
	struct run *run = run_of(p);
	uint32_t now = look_at_clock();

	if (UNLIKELY(run->buffer.use_count == 0))
		note_wrap(run);
	maintain_if_due(now);
	return p;
}

/* --- limits ----------------------------------------------------------------- */

bool pool_count_pages(int64_t pages)
{
	if (pages > 0)
		return limits_take((uint64_t)pages, 0);
	limits_return((uint64_t)-pages, 0);
	return true;
}

/* --- malloc ----------------------------------------------------------------- */

static void give_back(uint32_t *pages, unsigned count, bool is_freeing, uint32_t now);

/* The class's magazine on this CPU missed or overflowed. */
static uint32_t grow_magazine(unsigned cpu, unsigned class, uint32_t now)
{
	struct magazine_evicted evicted;
	uint32_t room = magazine_grow(cpu, class, &evicted);

	if (evicted.count != 0)
		give_back(evicted.pages, evicted.count, false, now);
	if (evicted.is_short && atomic_load_explicit(&magazines.gathered_at, memory_order_relaxed) != now) {
		atomic_store_explicit(&magazines.gathered_at, now, memory_order_relaxed);
		if (reclaim_gather(cpu, now))
			set_budget();
	}
	return room;
}

/*
 * Idle pages count, too: where the pool has grown past the limit with them, so many of them
 * go back. Runs are at times taken half cold, so a limit that the user set is
 * looked at each time; one of half the memory only when fresh pages were taken.
 */
void pool_keep_limit(uint32_t fresh_pages, uint32_t now)
{
	uint64_t hot, limit;

	if (fresh_pages == 0 && !pool.is_limit_set)
		return;
	hot = arenas_hot_pages();
	limit = atomic_load_explicit(&pool.limit_pages, memory_order_relaxed);

	/* Credits and all, which is one word: only past the limit is it worth a look at every CPU's. */
	if (atomic_load_explicit(&pool.out_pages, memory_order_relaxed) + hot > limit) {
		uint64_t held = limits_out_pages() + hot;

		if (held > limit) {
			/* Before: others must not take as much meanwhile. */
			limits_note_purge(MIN(held - limit, (uint64_t)fresh_pages), now);
			reclaim_purge(held - limit, now);
		}
	}
	if (fresh_pages != 0)
		headroom_keep(fresh_pages, now);
}

/*
 * What a miss brought beyond what it was for, into the magazine; it may find another CPU, or no room any more. Long
 * buffers are popped as they stand in memory, so that they come back as neighbours, to be joined and cut at once.
 * Short ones the other way round, since what grows out of one goes into free pages behind it: realloc growth takes 5%
 * longer otherwise. Of several classes all are short.
 */
static void put_idle(unsigned class, uint32_t *pages, unsigned count, uint32_t now)
{
	bool is_long = size_class_pages(class) >= LONG_PAGES;

	for (; count > 0; count--) {
		uint32_t page = is_long ? pages[count - 1] : *pages;

		if (!magazine_push_any(run_at(page)->size_class, page)) {
			give_back(pages, count, false, now);
			return;
		}
		pages += !is_long;
	}
}

static uint32_t refill(unsigned cpu, unsigned class, size_t size, uint32_t now)
{
	uint32_t pages[BATCH_MAX];
	unsigned count = 0, want = 1, row = magazine_note_miss(cpu, class);
	enum habit habit = habit_note_miss(class, now);
	bool is_taking = habit != HABIT_NONE && limits_are_loose();
	bool is_leased = is_taking && taking_serves(class);

	/* Of many sizes each comes from the lease as it is asked for: no magazine needs room for it. */
	if (!is_leased || habit == HABIT_TAKES_ONE_SIZE) {
		uint32_t room = grow_magazine(cpu, class, now);

		want = taking_batch_size(class, room, row);
		if (room == 0 && !is_leased && (pages[0] = taking_short(size, now)) != 0)
			return pages[0];
		if (habit == HABIT_TAKES_MANY && is_taking && size_class_is_slab(class))
			count = taking_slots(
			    cpu, class, MAX(want, MIN(room, (uint32_t)TAKING_SLOTS)), now, pages);
	}
	if (is_leased)
		count = taking_cut(class, size, magazine_lacks(cpu, class) == 0, want, now, pages);
	if (count == 0)
		count = taking_batch(class, want, now, pages);
	if (count == 0)
		return 0;
	put_idle(class, pages + 1, count - 1, now);
	return pages[0];
}

static void *buffer_address(uint32_t page)
{
	return (char *)page_address(page) + run_at(page)->offset;
}

COLD void *pool_malloc_slow(size_t size)
{
	unsigned class = size_class_of(size), cpu;
	uint32_t now, page;

	page = magazines.is_rseq ? 0 : magazine_pop_any(class);
	cpu = magazine_cpu_current();
	now = slow_now(cpu);
	if (page == 0)
		page = refill(cpu, class, size, now);
	if (page == 0)
		return NULL;
	if (UNLIKELY(buffer_begin(run_at(page), size) == 0))
		note_wrap(run_at(page));
	maintain_if_due(now);
	return buffer_address(page);
}

void *pool_take(size_t size)
{
	void *p = range.bytes != 0 ? pool_malloc(size_class_bytes(size_class_of(size))) : NULL;

	if (p != NULL)
		pool_set_size(p, size);
	return p;
}

void *pool_aligned(size_t alignment, size_t size)
{
	uint32_t now, pages, page;
	unsigned class = size_class_of(size), cpu = magazine_cpu_current();
	size_t whole = size;
	void *p;

	if (size_class_is_slab(class) && alignment > size_class_alignment(class)) {
		whole = ROUND_UP(size, PAGE_BYTES);
		class = size_class_of(whole);
	}
	if (alignment <= size_class_alignment(class)) {
		p = pool_malloc(whole);
		if (p != NULL)
			pool_set_size(p, size);
		return p;
	}
	now = slow_now(cpu);
	pages = (uint32_t)(ROUND_UP(size, PAGE_BYTES) >> PAGE_SHIFT);
	if (!taking_count(pages, 1, now))
		return NULL;
	page = arenas_take_exact(pages, (uint32_t)(alignment >> PAGE_SHIFT), now);
	if (page == 0) {
		limits_return(pages, 1);
		return NULL;
	}
	pool_keep_limit(pages, now);
	buffer_begin(run_at(page), size);
	return page_address(page);
}

/* --- free ------------------------------------------------------------------- */

static void give_back(uint32_t *pages, unsigned count, bool is_freeing, uint32_t now)
{
	struct arena_change change;

	if (limits_are_loose())
		arenas_give_soon(pages, count, is_freeing, now, &change);
	else
		arenas_give(pages, count, now, &change);
	limits_return(change.out_pages, count);
}

static void end_sample(uint32_t sample)
{
	if (sample != 0 && pool.sample_ended != NULL)
		pool.sample_ended(sample);
}

/* A sampled buffer is one like any other again. False: another thread did that. */
static bool unmark(struct run *run, uint32_t *sample)
{
	uint8_t state = RUN_SAMPLED;

	/* Of two who free it at once one gets past here. Relaxed: what its entry says is its owner's. */
	if (!__atomic_compare_exchange_n(
		&run->state, &state, RUN_IN_USE, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	*sample = run->buffer.sample;
	STORE_RELAXED(&run->buffer.sample, 0);
	return true;
}

void pool_set_sample(void *p, uint32_t sample)
{
	struct run *run = run_of(p);

	if (run->state != RUN_IN_USE && run->state != RUN_SAMPLED) {
		apart_set_sample(run, p, sample);
		return;
	}
	STORE_RELAXED(&run->buffer.sample, sample);
	STORE_RELAXED(&run->state, sample != 0 ? RUN_SAMPLED : RUN_IN_USE);
}

void pool_leave_sample(void *p)
{
	struct run *run = run_of(p);
	uint8_t state = LOAD_RELAXED(&run->state);
	uint32_t sample = 0;

	if (state == RUN_SLOTS || state == RUN_APART) {
		sample = apart_sample(run, p);
		apart_set_sample(run, p, 0);
	} else if (state == RUN_SAMPLED) {
		unmark(run, &sample);
	}
	if (sample != 0 && pool.sample_left != NULL)
		pool.sample_left(sample);
}

/* p, a buffer that the pool takes back, ends for the tracker and is cleared. False: it is none in use. */
static bool end_buffer(struct run *run, void *p)
{
	size_t offset = (uintptr_t)p - range.base;
	uint32_t sample = 0;

	if (LOAD_RELAXED(&run->state) == RUN_SAMPLED) {
		if (run->offset != (offset & (PAGE_BYTES - 1)) || !unmark(run, &sample))
			return false;
		end_sample(sample);
	}
	if (!pool_is_in_use(run, offset))
		return false;
	if (pool.is_zeroing)
		memset(p, 0, run->buffer.size);
	return true;
}

bool pool_free_long(void *p)
{
	struct run *run = run_of(p);
	unsigned state = LOAD_RELAXED(&run->state);
	uint32_t sample;

	if (state == RUN_SLOTS || state == RUN_APART) {
		if (!apart_free(run, p, &sample))
			return false;
		end_sample(sample);
		return true;
	}
	return end_buffer(run, p) && pool_free((uintptr_t)p - range.base);
}

bool pool_free_outgrown(void *p)
{
	struct run *run = run_of(p);
	uint32_t page = (uint32_t)(run - range.runs), now;
	struct arena_change change;

	if (!end_buffer(run, p))
		return false;
	now = slow_now(magazine_cpu_current());
	STORE_RELAXED(&run->state, RUN_IDLE);
	STORE_RELAXED(&run->buffer.last_used, now);
	arenas_give(&page, 1, now, &change);
	limits_return(change.out_pages, 1);
	return true;
}

/* The magazine is full, or there is none: half of it goes to the heap with the buffer. */
COLD void pool_free_slow(size_t offset)
{
	uint32_t page = (uint32_t)(offset >> PAGE_SHIFT);
	unsigned class = run_at(page)->size_class, count = 1, cpu;
	uint32_t pages[BATCH_MAX + 1], room, now;
	unsigned batch;
	bool is_freeing;

	if (!magazines.is_rseq && magazine_push_any(class, page))
		return;
	cpu = magazine_cpu_current();
	now = slow_now(cpu);
	is_freeing = habit_note_overflow();
	pages[0] = page;
	room = grow_magazine(cpu, class, now);
	if (magazine_push_any(class, page))
		return;
	batch = taking_batch_size(class, room, magazine_note_overflow(cpu, class));
	while (count < batch) {
		uint32_t other = magazine_pop_any(class);

		if (other == 0)
			break;
		pages[count++] = other;
	}
	/* Where nobody allocates, the other sizes' go as well: one lock does for all. */
	if (magazine_is_freeing(cpu))
		count += magazine_sweep(cpu, pages + count, BATCH_MAX - count);
	give_back(pages, count, is_freeing, now);
	maintain_if_due(now);
}

void pool_drained(uint32_t *pages, unsigned count)
{
	uint32_t now = LOAD_RELAXED(&pool.now);
	struct arena_change change;

	/* It counted as out of the heap, and was in no demand. */
	arenas_give(pages, count, now, &change);
	limits_return(change.out_pages, count);
	demand_lower(change.out_pages, arenas_pages().out);
}

void pool_let_in(uint32_t now, uint32_t idle_ticks)
{
	uint32_t leased = arenas_end_leases(now, idle_ticks);

	limits_return(leased + arenas_settle_returns(now), 0);
	demand_lower(leased, arenas_pages().out);
}

/* --- asked by a signal handler ------------------------------------------------- */

static bool is_open(struct lock *lock)
{
	if (!lock_try(lock))
		return false;
	lock_release(lock);
	return true;
}

bool pool_is_quiet(void)
{
	if (!turn_is_free() || !is_open(&range.lock))
		return false;
	for (unsigned i = 0; i < arenas.count; i++)
		if (!is_open(&arenas.at[i].lock))
			return false;
	for (unsigned cpu = 0; !magazines.is_rseq && cpu < magazines.cpu_bound; cpu++)
		if (!is_open(&magazine_cpu_at(cpu)->lock))
			return false;
	return true;
}

/* --- fork ------------------------------------------------------------------- */

void pool_fork_prepare(void)
{
	if (range.bytes == 0)
		return;
	turn_fork_prepare();
	magazines_fork_prepare();
	apart_fork_prepare();
	for (unsigned i = 0; i < arenas.count; i++)
		lock_acquire(&arenas.at[i].lock);
	lock_acquire(&range.lock);
}

static void fork_done(bool is_child)
{
	if (range.bytes == 0)
		return;
	if (is_child)
		lock_reset(&range.lock);
	else
		lock_release(&range.lock);
	for (unsigned i = 0; i < arenas.count; i++) {
		if (is_child)
			lock_reset(&arenas.at[i].lock);
		else
			lock_release(&arenas.at[i].lock);
	}
	apart_fork_done(is_child);
	magazines_fork_done(is_child);
	if (is_child)
		headroom_forget();
	turn_fork_done(is_child);
}

void pool_fork_parent(void)
{
	fork_done(false);
}

void pool_fork_child(void)
{
	fork_done(true);
}
