/*
 * samples.c -- live samples in an array, free entries in a stack, no lock.
 *
 * Called by the tracker at births and deaths, by its tick, and by the dump in a signal
 * handler. An entry's state is one word: how often it was used, how often it was
 * doubled, and whether it lives. Whoever turns that word from live to free (its death, or
 * thinning) has the entry for himself and gives it back; so a sample ends once,
 * however many want to end it. Its weight is the one it was born with times two for each
 * doubling: so weight and state change together.
 *
 * A birth writes the facts first and the state last (release); a reader looks at the
 * state, reads the facts, and looks again (acquire): what it gets is of one sample.
 *
 * Memory: reserved at once, committed in steps by whoever takes the first entry of
 * one; two who do so at once do the same thing twice, which is harmless.
 */
#include "track/samples.h"

#include "base/sys.h"

#define STEP_ENTRIES ((uint32_t)2048) /* 64 KiB */

/* state: */
#define LIVE ((uint32_t)1)
#define DOUBLED_SHIFT 1
#define DOUBLED_ONE ((uint32_t)1 << DOUBLED_SHIFT)
#define DOUBLED_MAX ((uint32_t)63)
#define USE_SHIFT 8
#define USE_MASK (((uint32_t)1 << (32 - SAMPLES_INDEX_BITS)) - 1)

struct entry {
	_Atomic uint32_t
	    state; /* release in samples_take(); acquire by readers; who ends it: acquire, release */
	/* Relaxed: whole words, and the state says whether they belong together. */
	uint32_t site, birth;
	float weight;  /* at birth */
	uint64_t size; /* written by the owner of the allocation, too */
	uint32_t kind;
	_Atomic uint32_t next; /* while it is free: the next free one, 0 ends; relaxed, the head orders */
};

_Static_assert(sizeof(struct entry) == 32, "two entries a cache line");

static struct {
	struct entry *entries; /* frozen; NULL: no table */
	/* The first free entry, and above it a count of the changes, against ABA. Release by who
	 * gives back, acquire by who takes: the entry's next. */
	_Alignas(CACHE_LINE) _Atomic uint64_t free_head;
	_Atomic uint32_t
	    frontier; /* entries from here on were never used; relaxed: only who got it uses it */
	/* Relaxed; statistics. */
	_Atomic uint32_t live[3];
	_Atomic uint64_t refused, thinned;
} samples = {.frontier = 1};

static const size_t table_bytes = ((size_t)SAMPLES_MAX + 1) * sizeof(struct entry);

bool samples_start(void)
{
	if (samples.entries == NULL)
		samples.entries = sys_reserve(table_bytes);
	return samples.entries != NULL;
}

/* --- entries come and go ----------------------------------------------------- */

static uint32_t pop_free(void)
{
	uint64_t head = atomic_load_explicit(&samples.free_head, memory_order_acquire);
	uint32_t index;

	do {
		index = (uint32_t)head;
		if (index == 0)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(&samples.free_head, &head,
	    ((head >> 32) + 1) << 32 |
		atomic_load_explicit(&samples.entries[index].next, memory_order_relaxed),
	    memory_order_acquire, memory_order_acquire));
	return index;
}

static void push_free(uint32_t index)
{
	uint64_t head = atomic_load_explicit(&samples.free_head, memory_order_relaxed);

	do
		atomic_store_explicit(&samples.entries[index].next, (uint32_t)head, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&samples.free_head, &head,
	    ((head >> 32) + 1) << 32 | index, memory_order_release, memory_order_relaxed));
}

static uint32_t extend(void)
{
	uint32_t index = atomic_load_explicit(&samples.frontier, memory_order_relaxed);

	do {
		if (index > SAMPLES_MAX)
			return 0;
		/* The first step begins at entry 0, which nobody uses. */
		if ((index == 1 || index % STEP_ENTRIES == 0) &&
		    !sys_commit(&samples.entries[ROUND_DOWN(index, STEP_ENTRIES)],
			STEP_ENTRIES * sizeof(struct entry)))
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(
	    &samples.frontier, &index, index + 1, memory_order_relaxed, memory_order_relaxed));
	return index;
}

uint32_t samples_take(const struct sample_facts *facts)
{
	uint32_t index = 0, state;
	struct entry *entry;

	if (samples.entries != NULL) {
		index = pop_free();
		if (index == 0)
			index = extend();
	}
	if (index == 0) {
		atomic_fetch_add_explicit(&samples.refused, 1, memory_order_relaxed);
		return 0;
	}
	entry = &samples.entries[index];
	/* Pairs with the fence in read_live(): who meets new facts finds the old state gone. */
	atomic_thread_fence(memory_order_release);
	STORE_RELAXED(&entry->site, facts->site);
	STORE_RELAXED(&entry->birth, facts->birth);
	__atomic_store(&entry->weight, &facts->weight, __ATOMIC_RELAXED);
	STORE_RELAXED(&entry->size, facts->size);
	STORE_RELAXED(&entry->kind, (uint32_t)facts->kind);
	atomic_fetch_add_explicit(&samples.live[facts->kind], 1, memory_order_relaxed);
	state = atomic_load_explicit(&entry->state, memory_order_relaxed);
	state = ((state >> USE_SHIFT) + 1) << USE_SHIFT | LIVE;
	atomic_store_explicit(&entry->state, state, memory_order_release);
	return (state >> USE_SHIFT & USE_MASK) << SAMPLES_INDEX_BITS | index;
}

/* NULL: the sample is gone. Else its entry, and the state that says that it lives. */
static struct entry *entry_of(uint32_t sample, uint32_t *state)
{
	uint32_t index = sample & SAMPLES_MAX;
	struct entry *entry = &samples.entries[index];

	*state = 0;
	if (samples.entries == NULL || index == 0 ||
	    index >= atomic_load_explicit(&samples.frontier, memory_order_relaxed))
		return NULL;
	*state = atomic_load_explicit(&entry->state, memory_order_acquire);
	if ((*state & LIVE) == 0 || (*state >> USE_SHIFT & USE_MASK) != sample >> SAMPLES_INDEX_BITS)
		*state = 0;
	return *state != 0 ? entry : NULL;
}

static double doubled(float weight, uint32_t state)
{
	return (double)weight * (double)((uint64_t)1 << (state >> DOUBLED_SHIFT & DOUBLED_MAX));
}

static void read_facts(const struct entry *entry, uint32_t state, struct sample_facts *facts)
{
	__atomic_load(&entry->weight, &facts->weight, __ATOMIC_RELAXED);
	facts->weight = (float)doubled(facts->weight, state);
	facts->site = LOAD_RELAXED(&entry->site);
	facts->birth = LOAD_RELAXED(&entry->birth);
	facts->size = LOAD_RELAXED(&entry->size);
	facts->kind = (enum track_kind)LOAD_RELAXED(&entry->kind);
}

/* NOLINTBEGIN(readability-non-const-parameter): the compare writes what it met */
/* From live to free. False: somebody else did, or doubled it; *state is then what it is now. */
static bool end(struct entry *entry, uint32_t *state)
{
	/* Release: who uses the entry again finds our reads done. Acquire: the facts, read after. */
	return atomic_compare_exchange_strong_explicit(
	    &entry->state, state, *state & ~LIVE, memory_order_acq_rel, memory_order_acquire);
}
/* NOLINTEND(readability-non-const-parameter) */

static void give_back(struct entry *entry, enum track_kind kind)
{
	atomic_fetch_sub_explicit(&samples.live[kind], 1, memory_order_relaxed);
	push_free((uint32_t)(entry - samples.entries));
}

bool samples_remove(uint32_t sample, struct sample_facts *facts)
{
	uint32_t state;
	struct entry *entry;

	do {
		entry = entry_of(sample, &state);
		if (entry == NULL)
			return false;
	} while (!end(entry, &state));
	read_facts(entry, state, facts);
	give_back(entry, facts->kind);
	return true;
}

static bool read_live(const struct entry *entry, uint32_t state, struct sample_facts *facts)
{
	uint32_t after;

	read_facts(entry, state, facts);
	/* Pairs with the fence in samples_take(). */
	atomic_thread_fence(memory_order_acquire);
	after = atomic_load_explicit(&entry->state, memory_order_relaxed);
	return ((after ^ state) & ~(DOUBLED_MAX << DOUBLED_SHIFT)) == 0;
}

bool samples_read(uint32_t sample, struct sample_facts *facts)
{
	uint32_t state;
	const struct entry *entry = entry_of(sample, &state);

	return entry != NULL && read_live(entry, state, facts);
}

bool samples_resize(uint32_t sample, uint64_t size, struct sample_facts *before)
{
	uint32_t state;
	struct entry *entry = entry_of(sample, &state);

	if (entry == NULL)
		return false;
	read_facts(entry, state, before);
	STORE_RELAXED(&entry->size, size);
	return true;
}

uint32_t samples_next(uint32_t *cursor, struct sample_facts *facts)
{
	uint32_t end_index = atomic_load_explicit(&samples.frontier, memory_order_relaxed);

	if (samples.entries == NULL)
		return 0;
	while (++*cursor < end_index) {
		const struct entry *entry = &samples.entries[*cursor];
		uint32_t state = atomic_load_explicit(&entry->state, memory_order_acquire);

		if ((state & LIVE) != 0 && read_live(entry, state, facts))
			return (state >> USE_SHIFT & USE_MASK) << SAMPLES_INDEX_BITS | *cursor;
	}
	--*cursor;
	return 0;
}

/* --- read from outside ------------------------------------------------------- */

void samples_where(uint64_t *address, uint64_t *bytes)
{
	uint32_t end = atomic_load_explicit(&samples.frontier, memory_order_relaxed);

	*address = (uintptr_t)samples.entries;
	*bytes = samples.entries != NULL ? (uint64_t)MIN(end, SAMPLES_MAX + 1) * sizeof(struct entry) : 0;
}

void samples_borrow(void *copy, uint64_t bytes)
{
	samples.entries = copy;
	atomic_store_explicit(
	    &samples.frontier, (uint32_t)(bytes / sizeof(struct entry)), memory_order_relaxed);
}

/* --- thinning ---------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* One sample: half of the time it goes, half of the time it doubles. Its owner may end it meanwhile. */
static void thin_one(
    struct entry *entry, bool is_kept, void (*changed)(const struct sample_facts *before, float weight))
{
	uint32_t state = atomic_load_explicit(&entry->state, memory_order_acquire);
	struct sample_facts facts;

	if ((state & LIVE) == 0)
		return;
	if (!is_kept) {
		if (!end(entry, &state))
			return;
		read_facts(entry, state, &facts);
		changed(&facts, 0);
		give_back(entry, facts.kind);
		atomic_fetch_add_explicit(&samples.thinned, 1, memory_order_relaxed);
		return;
	}
	read_facts(entry, state, &facts);
	if ((state >> DOUBLED_SHIFT & DOUBLED_MAX) != DOUBLED_MAX &&
	    atomic_compare_exchange_strong_explicit(
		&entry->state, &state, state + DOUBLED_ONE, memory_order_acq_rel, memory_order_relaxed))
		changed(&facts, 2 * facts.weight);
}

void samples_thin(
    enum track_kind kind, uint64_t seed, void (*changed)(const struct sample_facts *before, float weight))
{
	uint32_t end_index = atomic_load_explicit(&samples.frontier, memory_order_relaxed);
	uint64_t random = seed;

	for (uint32_t index = 1; samples.entries != NULL && index < end_index; index++) {
		struct entry *entry = &samples.entries[index];

		if (LOAD_RELAXED(&entry->kind) == (uint32_t)kind)
			thin_one(entry, (next_random(&random) & 1) != 0, changed);
	}
}

/* --- figures ----------------------------------------------------------------- */

uint32_t samples_live_of(enum track_kind kind)
{
	return atomic_load_explicit(&samples.live[kind], memory_order_relaxed);
}

uint32_t samples_live(void)
{
	return samples_live_of(TRACK_SMALL) + samples_live_of(TRACK_POOL) + samples_live_of(TRACK_LARGE);
}

void samples_count(struct samples_counters *counters)
{
	uint32_t frontier = atomic_load_explicit(&samples.frontier, memory_order_relaxed);

	*counters = (struct samples_counters){
	    .bytes = table_bytes,
	    .bytes_used = frontier > 1 ? ROUND_UP(frontier, STEP_ENTRIES) * sizeof(struct entry) : 0,
	    .live = samples_live(),
	    .refused = atomic_load_explicit(&samples.refused, memory_order_relaxed),
	    .thinned = atomic_load_explicit(&samples.thinned, memory_order_relaxed),
	};
}
