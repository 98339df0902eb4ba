/*
 * arenas.c -- taking from and giving to the arenas, in batches.
 *
 * Called on magazine misses and overflows, never in a signal handler. A thread holds
 * one arena's lock at a time, and no system call is made under it but the commit of
 * a new chunk (range.c). Stands above arena.h and slab.h, and is known to neither.
 */
#include "pool/arenas.h"

#include "base/clock.h"
#include "pool/demand.h"
#include "pool/lease.h"
#include "pool/returns.h"
#include "pool/slab.h"

/* Who met so many others that take from the same arena moves to one from which nobody took for so long. */
#define MEETINGS_MAX 8
#define QUIET_TICKS TICKS_PER_SECOND
/* Shorter runs are not worth a look into other arenas: a fault costs about as much. */
#define BORROW_PAGES_MIN 2

/* Waiting for another arena's lock is cheaper than so many faults. */
#define BORROW_WAIT_PAGES 8
/* So many faults cost far more than that locks are fought for. */
#define BORROW_ALWAYS_PAGES 64
/* Borrowing of less begins where more than this share of what is out of the heap lies idle. */
#define BORROW_SHARE 8

struct arenas arenas;

/* Of this thread. */
static __thread struct {
	unsigned home;	   /* the arena from which it takes, plus one; 0: none yet */
	unsigned meetings; /* with others that take from it, since it settled there */
} thread __attribute__((tls_model("initial-exec")));

void arenas_init(struct arena *at, unsigned count)
{
	arenas.at = at;
	arenas.count = count;
	for (unsigned i = 0; i < count; i++)
		at[i].runs.arena = i;
	atomic_store_explicit(&arenas.used, 1, memory_order_relaxed);
	atomic_store_explicit(&arenas.settled, 0, memory_order_relaxed);
	thread.home = 0;
}

static void note_used(unsigned index)
{
	unsigned used = atomic_load_explicit(&arenas.used, memory_order_relaxed);

	while (used < index + 1 && !atomic_compare_exchange_weak_explicit(&arenas.used, &used, index + 1,
				       memory_order_relaxed, memory_order_relaxed))
		;
}

void arenas_settle(unsigned index)
{
	thread.home = index + 1;
	thread.meetings = 0;
	note_used(index);
}

/* An arena from which nobody took for long; arenas.count: there is none. Read without locks, a guess. */
UNLOCKED_READER static unsigned find_quiet(uint32_t now)
{
	unsigned index = 0;

	while (index < arenas.count && now - LOAD_RELAXED(&arenas.at[index].taken_at) < QUIET_TICKS)
		index++;
	return index;
}

/*
 * This thread's arena was locked by another that takes from it, too: who keeps meeting others moves to
 * where nobody takes, if there is such a place. Threads that only give are met wherever one goes.
 * The arena's lock is held; returns the one that is then.
 */
static COLD struct arena *meet(struct arena *arena, uint32_t now)
{
	unsigned index;

	thread.meetings++;
	if (thread.meetings < MEETINGS_MAX)
		return arena;
	thread.meetings = 0;
	index = find_quiet(now);
	if (index == arenas.count)
		return arena;
	lock_release(&arena->lock);
	arenas_settle(index);
	arena = &arenas.at[index];
	lock_acquire(&arena->lock);
	return arena;
}

/* The thread's arena, locked. */
static struct arena *enter(uint32_t now)
{
	uintptr_t self = (uintptr_t)&thread;
	struct arena *arena;

	if (UNLIKELY(thread.home == 0))
		arenas_settle(
		    atomic_fetch_add_explicit(&arenas.settled, 1, memory_order_relaxed) % arenas.count);
	arena = &arenas.at[thread.home - 1];
	if (UNLIKELY(!lock_try(&arena->lock))) {
		lock_acquire(&arena->lock);
		if (arena->taker != self)
			arena = meet(arena, now);
	}
	arena->taker = self;
	STORE_RELAXED(&arena->taken_at, now);
	return arena;
}

/* After runs were taken: most of all is out of the heap while most is out of one arena, or nearly. */
static void leave(struct arena *arena)
{
	bool is_peak = arena->out_pages > LOAD_RELAXED(&arena->peak_pages);

	if (is_peak)
		STORE_RELAXED(&arena->peak_pages, arena->out_pages);
	lock_release(&arena->lock);
	if (is_peak)
		arenas_note_demand();
}

/* Slots share pages, so none counts as cold; slab_take() prefers resident runs itself. */
static unsigned take_slots(struct arena *arena, enum temperature temperature, unsigned class, unsigned want,
    uint32_t now, uint32_t *pages)
{
	unsigned count = 0;

	while (count < want) {
		if (temperature == RUNS_HOT && arena->slabs[class] == 0 &&
		    !runs_has_hot(&arena->runs, size_class_slab_pages(class)))
			break;
		pages[count] = slab_take(arena, class);
		if (pages[count] == 0)
			break;
		arena_create(pages[count++], class, 0, now, arena_serial_next(arena), false);
	}
	return count;
}

/* Buffers of a class, up to want, of that temperature. short_pages: they are to be so long; 0: as long as their class. */
static unsigned take_some(struct arena *arena, enum temperature temperature, unsigned class,
    uint32_t short_pages, unsigned want, uint32_t now, uint32_t *pages)
{
	uint32_t length = short_pages != 0 ? short_pages : size_class_pages(class), page;
	unsigned count = 0, row;
	bool was_cold;

	if (size_class_is_slab(class))
		return take_slots(arena, temperature, class, want, now, pages);
	if (short_pages != 0)
		class = size_class_within(length);
	while (count < want && (page = runs_take_row(
				    &arena->runs, temperature, length, want - count, &row, &was_cold)) != 0) {
		arena->out_pages += row * length;
		for (; row > 0; row--, page += length) {
			arena_create(page, class, length, now, arena_serial_next(arena), was_cold);
			pages[count++] = page;
		}
	}
	return count;
}

/* What a miss of the class takes out of an arena at least. */
static uint32_t class_run_pages(unsigned class)
{
	return size_class_is_slab(class) ? size_class_slab_pages(class) : size_class_pages(class);
}

/*
 * The other arena whose shortest resident run of that length at least is the shortest of all, so that what is
 * long stays long; NULL: none has any. Asked without locks, a guess.
 */
static struct arena *find_lender(const struct arena *own, uint32_t length)
{
	unsigned used = atomic_load_explicit(&arenas.used, memory_order_relaxed), best = RUNS_RANKS;
	struct arena *lender = NULL;

	for (unsigned i = 1; i <= used; i++) {
		struct arena *other = &arenas.at[(own->runs.arena + i) % used];
		unsigned rank = other == own ? RUNS_RANKS : runs_rank(&other->runs, length);

		if (rank < best) {
			best = rank;
			lender = other;
		}
	}
	return lender;
}

/* Resident runs of another arena; the caller holds no lock. is_waiting: for its lock, whatever the length. */
static unsigned borrow(struct arena *other, unsigned class, uint32_t short_pages, unsigned want,
    bool is_waiting, uint32_t now, uint32_t *pages, struct arena_change *change)
{
	uint64_t out, fresh;
	unsigned count;

	if (is_waiting || (short_pages != 0 ? short_pages : class_run_pages(class)) >= BORROW_WAIT_PAGES)
		lock_acquire(&other->lock);
	else if (!lock_try(&other->lock))
		return 0;
	out = other->out_pages;
	fresh = other->runs.fresh_pages;
	count = take_some(other, RUNS_HOT, class, short_pages, want, now, pages);
	change->out_pages = (uint32_t)(other->out_pages - out);
	change->fresh_pages = (uint32_t)(other->runs.fresh_pages - fresh);
	leave(other);
	return count;
}

/*
 * A borrowed run goes back to its own arena, so borrowing mixes who frees where, and locks
 * are fought for: it is done only where idle pages are many beside those in use.
 */
UNLOCKED_READER static bool is_borrowing_worth(void)
{
	uint64_t hot = 0, out = 0;

	for (unsigned i = 0; i < atomic_load_explicit(&arenas.used, memory_order_relaxed); i++) {
		hot += LOAD_RELAXED(&arenas.at[i].runs.hot_pages);
		out += LOAD_RELAXED(&arenas.at[i].out_pages);
	}
	return hot > out / BORROW_SHARE;
}

static unsigned take(unsigned class, uint32_t short_pages, unsigned want, bool is_resident, uint32_t now,
    uint32_t *pages, struct arena_change *change)
{
	uint32_t length = short_pages != 0 ? short_pages : class_run_pages(class);
	struct arena *arena = enter(now), *lender;
	uint64_t out, fresh;
	unsigned count;

	*change = (struct arena_change){.returned_pages = returns_settle(arena, now)};
	out = arena->out_pages;
	fresh = arena->runs.fresh_pages;
	count = take_some(arena, RUNS_HOT, class, short_pages, want, now, pages);
	if (count == 0 && (length >= BORROW_PAGES_MIN || is_resident) &&
	    (lender = find_lender(arena, length)) != NULL &&
	    (length >= BORROW_ALWAYS_PAGES || is_resident || is_borrowing_worth())) {
		lock_release(&arena->lock);
		count = borrow(lender, class, short_pages, want, is_resident, now, pages, change);
		if (count != 0)
			return count;
		lock_acquire(&arena->lock);
		out = arena->out_pages;
		fresh = arena->runs.fresh_pages;
	}
	if (count == 0 && !is_resident)
		count = take_some(arena, RUNS_COLD, class, short_pages, want, now, pages);
	if (count == 0 && !is_resident && arena_extend_range(arena, length))
		count = take_some(arena, RUNS_COLD, class, short_pages, want, now, pages);
	if (count == 0 && !is_resident) /* what was joined on extension may have become hot */
		count = take_some(arena, RUNS_HOT, class, short_pages, 1, now, pages);
	change->out_pages = (uint32_t)(arena->out_pages - out);
	change->fresh_pages = (uint32_t)(arena->runs.fresh_pages - fresh);
	leave(arena);
	return count;
}

unsigned arenas_take(
    unsigned class, unsigned want, uint32_t now, uint32_t *pages, struct arena_change *change)
{
	return take(class, 0, want, false, now, pages, change);
}

uint32_t arenas_take_short(uint32_t pages, bool is_resident, uint32_t now, struct arena_change *change)
{
	uint32_t page;

	if (pages == 0)
		return 0;
	return take(size_class_within(pages), pages, 1, is_resident, now, &page, change) != 0 ? page : 0;
}

unsigned arenas_take_resident(
    unsigned class, unsigned want, uint32_t now, uint32_t *pages, struct arena_change *change)
{
	return take(class, 0, want, true, now, pages, change);
}

static unsigned cut(
    struct arena *arena, unsigned class, uint32_t short_pages, unsigned want, uint32_t now, uint32_t *pages)
{
	if (short_pages != 0)
		return lease_cut(arena, size_class_within(short_pages), short_pages, want, now, pages);
	return lease_cut(arena, class, size_class_pages(class), want, now, pages);
}

unsigned arenas_cut(unsigned class, uint32_t short_pages, unsigned want, uint32_t now, uint32_t *pages)
{
	if (thread.home == 0)
		return 0;
	return cut(&arenas.at[thread.home - 1], class, short_pages, want, now, pages);
}

unsigned arenas_lease(unsigned class, uint32_t short_pages, unsigned want, uint32_t now, uint32_t *pages,
    struct arena_change *change)
{
	struct arena *arena = enter(now);
	uint64_t out, fresh;
	unsigned count = 0;
	bool has_lease;

	*change = (struct arena_change){.returned_pages = returns_settle(arena, now)};
	change->returned_pages += lease_end(arena, now);
	out = arena->out_pages;
	fresh = arena->runs.fresh_pages;
	has_lease = lease_begin(arena, RUNS_HOT, class, now);
	if (!has_lease)
		count = take_some(arena, RUNS_HOT, class, short_pages, want, now, pages);
	if (!has_lease && count == 0)
		(void)lease_begin(arena, RUNS_COLD, class, now);
	change->out_pages = (uint32_t)(arena->out_pages - out);
	change->fresh_pages = (uint32_t)(arena->runs.fresh_pages - fresh);
	leave(arena);
	return count != 0 ? count : cut(arena, class, short_pages, want, now, pages);
}

unsigned arenas_take_slots(const struct arena_wish *wishes, unsigned kinds, uint32_t now, uint32_t *pages,
    struct arena_change *change)
{
	struct arena *arena = enter(now);
	uint64_t out, fresh;
	unsigned count = 0;

	*change = (struct arena_change){.returned_pages = returns_settle(arena, now)};
	out = arena->out_pages;
	fresh = arena->runs.fresh_pages;
	/* Where there is no slab with room, a new one is resident if it can. */
	for (unsigned i = 0; i < kinds && (i == 0 || count != 0); i++)
		count += take_some(arena, RUNS_COLD, wishes[i].class, 0, wishes[i].want, now, pages + count);
	change->out_pages = (uint32_t)(arena->out_pages - out);
	change->fresh_pages = (uint32_t)(arena->runs.fresh_pages - fresh);
	leave(arena);
	return count;
}

uint32_t arenas_take_exact(uint32_t pages, uint32_t alignment_pages, uint32_t now)
{
	struct arena *arena = enter(now);
	bool was_cold;
	uint32_t page = arena_take_exact(arena, pages, alignment_pages, now, &was_cold);

	if (page != 0)
		arena_create(page, size_class_within(pages), pages, now, arena_serial_next(arena), was_cold);
	leave(arena);
	return page;
}

uint32_t arenas_take_pages(uint32_t pages, uint32_t now, bool *was_cold)
{
	struct arena *arena = enter(now), *lender;
	uint32_t page = arena_take_run(arena, RUNS_HOT, pages, was_cold);

	if (page == 0 && pages >= BORROW_WAIT_PAGES && (lender = find_lender(arena, pages)) != NULL) {
		lock_release(&arena->lock);
		lock_acquire(&lender->lock);
		page = arena_take_run(lender, RUNS_HOT, pages, was_cold);
		leave(lender);
		if (page != 0)
			return page;
		lock_acquire(&arena->lock);
	}
	if (page == 0)
		page = arena_take_exact(arena, pages, 1, now, was_cold);
	leave(arena);
	return page;
}

uint32_t arenas_take_roomy(uint32_t pages, uint32_t room, uint32_t now, bool *was_cold)
{
	struct arena *arena = enter(now);
	uint32_t page = runs_take_roomy(&arena->runs, pages, room, was_cold);

	if (page != 0)
		arena->out_pages += pages;
	leave(arena);
	return page != 0 ? page : arenas_take_pages(pages, now, was_cold);
}

void arenas_return_cold(uint32_t page, uint32_t pages, uint32_t now)
{
	struct arena *arena = &arenas.at[page_owner(page)];

	lock_acquire(&arena->lock);
	arena->out_pages -= pages;
	runs_free_as_marked(&arena->runs, page, pages, now);
	lock_release(&arena->lock);
}

void arenas_give_pages(uint32_t page, uint32_t pages, uint32_t now)
{
	struct arena *arena = &arenas.at[page_owner(page)];

	lock_acquire(&arena->lock);
	arena_give_run(arena, page, pages, now);
	lock_release(&arena->lock);
}

/* The last of the sorted pages that belong to one arena: how many. */
static unsigned one_owner(const uint32_t *pages, unsigned count)
{
	unsigned owner = page_owner(pages[count - 1]), same = 1;

	while (same < count && page_owner(pages[count - 1 - same]) == owner)
		same++;
	return same;
}

/* Neighbours meet in what is sorted, and an arena is locked once. From the highest down: the lowest is taken first again. */
void arenas_give(uint32_t *pages, unsigned count, uint32_t now, struct arena_change *change)
{
	*change = (struct arena_change){0};
	returns_sort(pages, count);
	while (count > 0) {
		unsigned same = one_owner(pages, count);
		struct arena *arena = &arenas.at[page_owner(pages[count - 1])];

		count -= same;
		lock_acquire(&arena->lock);
		change->out_pages += returns_let_in(arena, pages + count, same, now);
		lock_release(&arena->lock);
	}
}

void arenas_give_soon(
    uint32_t *pages, unsigned count, bool is_freeing, uint32_t now, struct arena_change *change)
{
	*change = (struct arena_change){0};
	returns_sort(pages, count);
	while (count > 0) {
		unsigned same = one_owner(pages, count);
		struct arena *arena = &arenas.at[page_owner(pages[count - 1])];

		count -= same;
		if (!is_freeing && lock_try(&arena->lock)) {
			change->out_pages += returns_let_in(arena, pages + count, same, now);
			lock_release(&arena->lock);
			continue;
		}
		if (returns_push(arena, pages + count, same) < lease_length(arena) || !lock_try(&arena->lock))
			continue;
		change->out_pages += returns_settle(arena, now);
		lock_release(&arena->lock);
	}
}

bool arenas_hold_back(void)
{
	unsigned i = 0;

	while (i < arenas.count && !returns_are_waiting(&arenas.at[i]) && lease_pages(&arenas.at[i]) == 0)
		i++;
	return i < arenas.count;
}

uint32_t arenas_settle_returns(uint32_t now)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < arenas.count; i++) {
		struct arena *arena = &arenas.at[i];

		if (!returns_are_waiting(arena))
			continue;
		lock_acquire(&arena->lock);
		sum += returns_settle(arena, now);
		lock_release(&arena->lock);
	}
	return sum;
}

uint32_t arenas_end_leases(uint32_t now, uint32_t idle_ticks)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < arenas.count; i++) {
		struct arena *arena = &arenas.at[i];

		if (lease_pages(arena) == 0 || now - lease_used_at(arena) < idle_ticks)
			continue;
		lock_acquire(&arena->lock);
		sum += lease_end(arena, now);
		lock_release(&arena->lock);
	}
	return sum;
}

uint32_t arenas_extend(uint32_t page, uint32_t least, uint32_t wanted)
{
	struct arena *arena = &arenas.at[page_owner(page)];
	struct run *run = run_at(page);
	uint32_t pages = run->pages, room, more;
	bool was_cold;

	lock_acquire(&arena->lock);
	room = runs_free_length(&arena->runs, page + pages);
	/* What is last in the range grows with it, unless it can move to where pages are resident, or another arena is first. */
	if (pages + room < least && run->state == RUN_APART && page + pages + room == range_committed() &&
	    !runs_has_hot(&arena->runs, least) && find_lender(arena, least) == NULL &&
	    arena_extend_range(arena, least - pages - room))
		room = runs_free_length(&arena->runs, page + pages);
	if (pages + room < least) {
		lock_release(&arena->lock);
		return 0;
	}
	more = MIN(room, wanted - pages);
	runs_take_at(&arena->runs, page + pages, more, &was_cold);
	arena->out_pages += more;
	STORE_RELAXED(&run->pages, pages + more);
	leave(arena);
	return pages + more;
}

void arenas_trim(uint32_t page, uint32_t pages, uint32_t now)
{
	struct arena *arena = &arenas.at[page_owner(page)];
	struct run *run = run_at(page);
	uint32_t surplus = run->pages - pages;

	lock_acquire(&arena->lock);
	STORE_RELAXED(&run->pages, pages);
	arena_give_run(arena, page + pages, surplus, now);
	lock_release(&arena->lock);
}

UNLOCKED_READER struct arenas_pages arenas_pages(void)
{
	struct arenas_pages sum = {0};

	for (unsigned i = 0; i < atomic_load_explicit(&arenas.used, memory_order_relaxed); i++) {
		const struct arena *arena = &arenas.at[i];

		sum.out += LOAD_RELAXED(&arena->out_pages);
		sum.hot += LOAD_RELAXED(&arena->runs.hot_pages);
		sum.fresh += LOAD_RELAXED(&arena->runs.fresh_pages);
		sum.reused += LOAD_RELAXED(&arena->runs.reused_pages);
		sum.purged += LOAD_RELAXED(&arena->purged_pages);
	}
	return sum;
}

uint64_t arenas_hot_pages(void)
{
	return arenas_pages().hot;
}

uint64_t arenas_held_pages(void)
{
	struct arenas_pages sum = arenas_pages();

	return sum.out + sum.hot;
}

void arenas_note_demand(void)
{
	demand_note(arenas_pages().out);
}

void arenas_rotate_demand(void)
{
	unsigned used = atomic_load_explicit(&arenas.used, memory_order_relaxed);
	struct arenas_pages pages = arenas_pages();

	demand_rotate(&(struct demand_facts){
	    .out_pages = pages.out,
	    .held_pages = pages.out + pages.hot,
	    .fresh_pages = pages.fresh,
	    .taken_pages = pages.fresh + pages.reused,
	    .purged_pages = pages.purged,
	    .arenas = used,
	});
	for (unsigned i = 0; i < used; i++)
		STORE_RELAXED(&arenas.at[i].peak_pages, 0);
	range_end_window();
}
