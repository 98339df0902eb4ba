/*
 * sites.c -- the table of call sites.
 *
 * sites_find() is called with each captured stack. An index of row numbers, open
 * addressing, is read without a lock; whoever finds nothing looks again under LOCK_sites and makes
 * a row. A number leaves the index only under that lock, and its place stays marked, so
 * a lookup never stops short of what it wants; when marks are many the index is made anew,
 * and a lookup that falls into that moment finds less and goes on under the lock.
 *
 * A row may become another stack's between lookup and counting. So sites_birth() takes the key
 * along and compares it under the stripe's lock, and rows are only freed under both locks.
 * A live sample keeps its row: only rows without any are freed.
 *
 * The id is a hash of (module's identity, offset) frame by frame. Modules that were loaded since
 * the last refresh are not known yet: the row has no id then until the tick resolves it. When
 * that shows that another row, retired because the module moved, has the same id, that one's facts are
 * joined to the new one: a plugin that is loaded again and again stays one site.
 *
 * Locks: LOCK_sites, then a stripe; two stripes by rising number. Nothing here allocates
 * or blocks otherwise; not for signal handlers, but sites_at().
 */
#include "track/sites.h"

#include <string.h>

#include "base/lock.h"
#include "base/sys.h"

#define INDEX_SLOTS ((uint32_t)16384)
#define INDEX_MARK UINT32_MAX /* a number stood here */
#define MARKS_MAX (INDEX_SLOTS / 4)
#define ROOM_WANTED (SITES_MAX / 8)

static struct {
	/* Frozen. */
	struct site *rows;
	/* Row number plus one, 0: nothing. Release after the row's key, acquire in lookups. */
	_Atomic uint32_t *index;
	/* Shared. */
	_Alignas(CACHE_LINE) struct lock lock; /* LOCK_sites */
	/* Written under lock. */
	_Atomic uint32_t bound;		      /* relaxed: rows above it are all zero */
	_Atomic uint32_t used, overflow_used; /* relaxed; statistics */
	uint32_t marks, unresolved;
	uint16_t free_rows[SITES_MAX];
	uint32_t free_count;
	_Atomic uint64_t left_out, evicted, locked; /* relaxed; statistics */
	struct {
		_Alignas(CACHE_LINE) struct lock lock; /* LOCK_site_facts */
	} stripes[SITES_STRIPES];
} sites;

static size_t rows_bytes(void)
{
	return ROUND_UP(SITES_ROWS * sizeof(struct site), PAGE_BYTES);
}

static size_t index_bytes(void)
{
	return ROUND_UP(INDEX_SLOTS * sizeof(uint32_t), PAGE_BYTES);
}

bool sites_start(void)
{
	size_t bytes = rows_bytes() + index_bytes();
	char *start = sys_reserve(bytes);

	if (start == NULL)
		return false;
	if (!sys_commit(start, bytes)) {
		sys_release(start, bytes);
		return false;
	}
	sys_no_huge_pages(start, bytes);
	sites.index = (_Atomic uint32_t *)(void *)(start + rows_bytes());
	sites.rows = (struct site *)(void *)start;
	return true;
}

struct site *sites_at(uint32_t row)
{
	return &sites.rows[row];
}

uint32_t sites_bound(void)
{
	return atomic_load_explicit(&sites.bound, memory_order_relaxed);
}

uint64_t sites_rows_used(void)
{
	return atomic_load_explicit(&sites.used, memory_order_relaxed);
}

void sites_lock_facts(uint32_t row)
{
	lock_acquire(&sites.stripes[row % SITES_STRIPES].lock);
}

void sites_unlock_facts(uint32_t row)
{
	lock_release(&sites.stripes[row % SITES_STRIPES].lock);
}

static enum site_state state_of(const struct site *site)
{
	return (enum site_state)atomic_load_explicit(&site->state, memory_order_acquire);
}

static void set_state(struct site *site, enum site_state state)
{
	atomic_store_explicit(&site->state, state, memory_order_release);
}

static uint64_t key_of(const struct site *site)
{
	return atomic_load_explicit(&site->key, memory_order_acquire);
}

static void set_key(struct site *site, uint64_t key)
{
	atomic_store_explicit(&site->key, key, memory_order_release);
}

/* --- the index --------------------------------------------------------------- */

static uint32_t slot_of(uint64_t key)
{
	return (uint32_t)(key * 0x9E3779B97F4A7C15u >> 50);
}
_Static_assert(INDEX_SLOTS == 1u << (64 - 50), "slot_of() makes as many bits");

/* The slot with the row of that key; INDEX_MARK: there is none. */
static uint32_t index_find(uint64_t key)
{
	for (uint32_t slot = slot_of(key), tries = 0; tries < INDEX_SLOTS; tries++) {
		uint32_t entry = atomic_load_explicit(&sites.index[slot], memory_order_acquire);

		if (entry == 0)
			break;
		if (entry != INDEX_MARK && key_of(&sites.rows[entry - 1]) == key)
			return slot;
		slot = (slot + 1) % INDEX_SLOTS;
	}
	return INDEX_MARK;
}

static void index_put(uint64_t key, uint32_t row)
{
	uint32_t slot = slot_of(key);

	for (;;) {
		uint32_t entry = atomic_load_explicit(&sites.index[slot], memory_order_relaxed);

		if (entry == 0 || entry == INDEX_MARK) {
			sites.marks -= entry == INDEX_MARK;
			atomic_store_explicit(&sites.index[slot], row + 1, memory_order_release);
			return;
		}
		slot = (slot + 1) % INDEX_SLOTS;
	}
}

static void index_remake(void)
{
	for (uint32_t slot = 0; slot < INDEX_SLOTS; slot++)
		atomic_store_explicit(&sites.index[slot], 0, memory_order_relaxed);
	sites.marks = 0;
	for (uint32_t row = 0; row < SITES_ROWS; row++) {
		uint64_t key = key_of(&sites.rows[row]);

		if (key != 0)
			index_put(key, row);
	}
}

/* Nothing more is found or born in the row. */
static void unlist_locked(uint32_t row)
{
	struct site *site = &sites.rows[row];
	uint64_t key = key_of(site);
	uint32_t slot;

	if (key == 0)
		return;
	slot = index_find(key);
	if (slot != INDEX_MARK) {
		atomic_store_explicit(&sites.index[slot], INDEX_MARK, memory_order_release);
		sites.marks++;
	}
	sites_lock_facts(row);
	set_key(site, 0);
	sites_unlock_facts(row);
	if (sites.marks > MARKS_MAX)
		index_remake();
}

/* --- finding ----------------------------------------------------------------- */

static void fill(struct site *site, const struct stack *stack)
{
	site->frame_count = (uint16_t)stack->count;
	site->is_truncated = stack->is_truncated;
	for (unsigned i = 0; i < stack->count; i++)
		site->frames[i] = (struct site_frame){stack->pcs[i], stack->pcs[i], MODULE_NONE};
	/* The tick looks again: at modules that are not known yet, and for a retired row of this id. */
	site->is_resolved = false;
	sites.unresolved++;
	if (site_attribute(site))
		site_give_id(site);
}

static uint64_t overflow_key(unsigned module)
{
	return modules_hash_u64(0x6F766572666C6F77u, module) | 1;
}

/* The row for what has no row, by the innermost frame's module. */
static uint32_t find_overflow(const struct stack *stack)
{
	unsigned module = modules_find(stack->pcs[0]);
	uint64_t key = overflow_key(module);
	uint32_t slot = index_find(key), row, used;
	struct site *site;

	atomic_fetch_add_explicit(&sites.left_out, 1, memory_order_relaxed);
	if (slot != INDEX_MARK)
		return atomic_load_explicit(&sites.index[slot], memory_order_relaxed) - 1;
	used = atomic_load_explicit(&sites.overflow_used, memory_order_relaxed);
	if (module != MODULE_NONE && used + 1 < SITES_OVERFLOW) {
		row = SITES_MAX + 1 + used;
		atomic_store_explicit(&sites.overflow_used, used + 1, memory_order_relaxed);
	} else {
		row = SITES_MAX;
		key = overflow_key(MODULE_NONE);
		module = MODULE_NONE;
	}
	site = &sites.rows[row];
	if (state_of(site) == SITE_USED)
		return row;
	site->is_overflow = true;
	site->is_resolved = true;
	if (module != MODULE_NONE) {
		site->frame_count = 1;
		site->frames[0] = (struct site_frame){modules_at(module)->start, 0, (uint16_t)module};
		site->frames[0].offset = site->frames[0].pc - modules_at(module)->bias;
	}
	site_give_id(site);
	set_key(site, key);
	set_state(site, SITE_USED);
	index_put(key, row);
	return row;
}

static uint32_t insert(const struct stack *stack, uint64_t key)
{
	uint32_t bound = sites_bound(), row;
	struct site *site;

	if (sites.free_count != 0) {
		row = sites.free_rows[--sites.free_count];
	} else if (bound < SITES_MAX) {
		row = bound;
		atomic_store_explicit(&sites.bound, bound + 1, memory_order_relaxed);
	} else {
		return find_overflow(stack);
	}
	site = &sites.rows[row];
	fill(site, stack);
	set_key(site, key);
	set_state(site, SITE_USED);
	index_put(key, row);
	atomic_fetch_add_explicit(&sites.used, 1, memory_order_relaxed);
	return row;
}

uint32_t sites_find(const struct stack *stack, uint64_t *key)
{
	uint64_t wanted = stack_key(stack);
	uint32_t slot = index_find(wanted), row, entry;

	*key = wanted;
	if (LIKELY(slot != INDEX_MARK)) {
		entry = atomic_load_explicit(&sites.index[slot], memory_order_acquire);
		/* It may have been taken away meanwhile; the key is compared again when it is counted. */
		if (LIKELY(entry != 0 && entry != INDEX_MARK))
			return entry - 1;
	}
	atomic_fetch_add_explicit(&sites.locked, 1, memory_order_relaxed);
	lock_acquire(&sites.lock);
	slot = index_find(wanted);
	row = slot != INDEX_MARK ? atomic_load_explicit(&sites.index[slot], memory_order_relaxed) - 1
				 : insert(stack, wanted);
	*key = key_of(&sites.rows[row]);
	lock_release(&sites.lock);
	return row;
}

/* --- facts ------------------------------------------------------------------- */

bool sites_birth(uint32_t row, uint64_t key, double now, uint64_t bytes, double weight)
{
	struct site *site = &sites.rows[row];
	bool is_same;

	sites_lock_facts(row);
	is_same = key_of(site) == key;
	if (is_same) {
		facts_birth(&site->facts, now, bytes, weight);
		site->last_birth = now;
	}
	sites_unlock_facts(row);
	return is_same;
}

uint32_t sites_home(uint32_t row)
{
	const struct site *site = &sites.rows[row];

	return state_of(site) == SITE_JOINED ? LOAD_RELAXED(&site->joined_into) : row;
}

/* Lock the facts of a row, wherever they are. Returns where. */
static uint32_t lock_home(uint32_t row)
{
	for (;;) {
		uint32_t home = sites_home(row);

		sites_lock_facts(home);
		/* A row is joined under the stripe's lock. */
		if (sites_home(row) == home && state_of(&sites.rows[home]) != SITE_JOINED)
			return home;
		sites_unlock_facts(home);
		row = home;
	}
}

void sites_death(uint32_t row, double now, double born, uint64_t bytes, double weight)
{
	uint32_t home = lock_home(row);

	facts_death(&sites.rows[home].facts, MAX(now - born, 0.0), bytes, weight);
	sites_unlock_facts(home);
}

void sites_leave(uint32_t row, uint64_t bytes, double weight)
{
	uint32_t home = lock_home(row);

	facts_leave(&sites.rows[home].facts, bytes, weight);
	sites_unlock_facts(home);
}

void sites_resize(uint32_t row, uint64_t old_bytes, uint64_t new_bytes, double weight)
{
	uint32_t home = lock_home(row);

	facts_resize(&sites.rows[home].facts, old_bytes, new_bytes, weight);
	sites_unlock_facts(home);
}

void sites_reweigh(uint32_t row, uint64_t bytes, double old_weight, double new_weight)
{
	uint32_t home = lock_home(row);
	struct facts *facts = &sites.rows[home].facts;
	double more = new_weight - old_weight;

	facts->live_count = MAX(facts->live_count + more, 0.0);
	facts->live_bytes = MAX(facts->live_bytes + more * (double)bytes, 0.0);
	sites_unlock_facts(home);
}

/* --- resolving, joining, retiring -------------------------------------------- */

static void add_facts(struct facts *to, const struct facts *from)
{
	if (from->births == 0)
		return;
	facts_add(to, from);
	to->live_count += from->live_count;
	to->live_bytes += from->live_bytes;
	/* The longer history; of the other only the sums are left. */
	if (from->series.used > to->series.used)
		to->series = from->series;
}

/* Both stripes of two rows, which may be one. */
static void lock_both(uint32_t a, uint32_t b)
{
	uint32_t low = MIN(a % SITES_STRIPES, b % SITES_STRIPES);
	uint32_t high = MAX(a % SITES_STRIPES, b % SITES_STRIPES);

	sites_lock_facts(low);
	if (high != low)
		sites_lock_facts(high);
}

static void unlock_both(uint32_t a, uint32_t b)
{
	sites_unlock_facts(a);
	if (a % SITES_STRIPES != b % SITES_STRIPES)
		sites_unlock_facts(b);
}

/* old's facts go to row, which has the same id. */
static void join_locked(uint32_t old, uint32_t row)
{
	struct site *from = &sites.rows[old], *to = &sites.rows[row];

	lock_both(old, row);
	add_facts(&to->facts, &from->facts);
	to->hold = from->hold;
	to->risk = from->risk;
	to->is_left_alone = from->is_left_alone;
	memset(&from->facts, 0, sizeof(from->facts));
	STORE_RELAXED(&from->joined_into, row);
	set_state(from, SITE_JOINED);
	/* What was joined into old goes on to row: no chains. */
	for (uint32_t i = 0; i < sites_bound(); i++) {
		if (state_of(&sites.rows[i]) == SITE_JOINED && sites.rows[i].joined_into == old)
			STORE_RELAXED(&sites.rows[i].joined_into, row);
	}
	unlock_both(old, row);
}

void sites_resolve(void)
{
	/* Under LOCK_sites. */
	static struct {
		uint64_t id;
		uint32_t row;
	} retired[SITES_MAX];
	uint32_t bound = sites_bound(), retired_count = 0;

	lock_acquire(&sites.lock);
	for (uint32_t row = 0; row < bound && sites.unresolved != 0; row++) {
		const struct site *site = &sites.rows[row];

		if (state_of(site) == SITE_RETIRED) {
			retired[retired_count].id = site->id;
			retired[retired_count++].row = row;
		}
	}
	for (uint32_t row = 0; row < bound && sites.unresolved != 0; row++) {
		struct site *site = &sites.rows[row];

		if (site->is_resolved || state_of(site) != SITE_USED)
			continue;
		/* Once: what no module has by now is generated code. */
		site_attribute(site);
		site_give_id(site);
		site->is_resolved = true;
		sites.unresolved--;
		for (uint32_t i = 0; i < retired_count; i++) {
			if (retired[i].id == site->id && retired[i].row != row)
				join_locked(retired[i].row, row);
		}
	}
	lock_release(&sites.lock);
}

static bool is_in(const struct site *site, unsigned module)
{
	for (unsigned i = 0; i < site->frame_count; i++) {
		if (site->frames[i].module == module)
			return true;
	}
	return false;
}

void sites_retire(unsigned module)
{
	uint32_t bound = sites_bound();

	lock_acquire(&sites.lock);
	for (uint32_t row = 0; row < bound; row++) {
		struct site *site = &sites.rows[row];

		if (state_of(site) != SITE_USED || !is_in(site, module))
			continue;
		unlist_locked(row);
		if (site->id == 0)
			site_give_id(site);
		sites.unresolved -= !site->is_resolved;
		site->is_resolved = true;
		set_state(site, SITE_RETIRED);
	}
	lock_release(&sites.lock);
}

UNLOCKED_READER void sites_mark_modules(uint64_t *bits)
{
	for (uint32_t row = 0; row < SITES_ROWS; row++) {
		const struct site *site = &sites.rows[row];

		if (state_of(site) == SITE_FREE)
			continue;
		for (unsigned i = 0; i < MIN(site->frame_count, STACK_FRAMES_MAX); i++) {
			unsigned module = site->frames[i].module;

			if (module < MODULES_MAX)
				bits[module / 64] |= (uint64_t)1 << module % 64;
		}
	}
}

/* --- giving rows up ---------------------------------------------------------- */

static bool free_row_locked(uint32_t row)
{
	struct site *site = &sites.rows[row];
	bool is_idle;

	sites_lock_facts(row);
	/* Somebody may have counted a birth since the walk; of the weights of all that was freed
	 * only what rounding left may remain. */
	is_idle = site->facts.live_count < 0.5;
	sites_unlock_facts(row);
	if (!is_idle)
		return false;
	unlist_locked(row);
	sites_lock_facts(row);
	if (site->facts.live_count >= 0.5) { /* born just before */
		sites_unlock_facts(row);
		set_state(site, SITE_RETIRED);
		return false;
	}
	set_state(site, SITE_FREE);
	sites.unresolved -= !site->is_resolved;
	memset(&site->id, 0, sizeof(*site) - offsetof(struct site, id));
	sites_unlock_facts(row);
	sites.free_rows[sites.free_count++] = (uint16_t)row;
	atomic_fetch_sub_explicit(&sites.used, 1, memory_order_relaxed);
	return true;
}

unsigned sites_evict(const uint32_t *live_objects, double now, double older_than)
{
	uint32_t bound = sites_bound();
	unsigned freed = 0;
	bool is_tight;

	lock_acquire(&sites.lock);
	is_tight = SITES_MAX - bound + sites.free_count < ROOM_WANTED;
	for (uint32_t row = 0; row < bound; row++) {
		struct site *site = &sites.rows[row];
		enum site_state state = state_of(site);

		if (state == SITE_FREE || live_objects[row] != 0)
			continue;
		if (state == SITE_USED && (!is_tight || now - site->last_birth < older_than))
			continue;
		freed += free_row_locked(row);
	}
	lock_release(&sites.lock);
	atomic_fetch_add_explicit(&sites.evicted, freed, memory_order_relaxed);
	return freed;
}

void sites_count(struct sites_counters *counters)
{
	counters->bytes = rows_bytes() + index_bytes();
	counters->bytes_used = sites_bound() * sizeof(struct site) + index_bytes();
	counters->left_out = atomic_load_explicit(&sites.left_out, memory_order_relaxed);
	counters->evicted = atomic_load_explicit(&sites.evicted, memory_order_relaxed);
	counters->locked = atomic_load_explicit(&sites.locked, memory_order_relaxed);
}

/* --- fork -------------------------------------------------------------------- */

void sites_fork_prepare(void)
{
	lock_acquire(&sites.lock);
	for (unsigned i = 0; i < SITES_STRIPES; i++)
		lock_acquire(&sites.stripes[i].lock);
}

void sites_fork_done(bool is_child)
{
	for (unsigned i = SITES_STRIPES; i-- > 0;) {
		if (is_child)
			lock_reset(&sites.stripes[i].lock);
		else
			lock_release(&sites.stripes[i].lock);
	}
	if (is_child)
		lock_reset(&sites.lock);
	else
		lock_release(&sites.lock);
}
