/*
 * apart.c -- slots for sampled small allocations, runs for large ones.
 *
 * Called by the front end. Slots are for what its sampler picked, some hundreds a second
 * at most, so one lock is enough for them (LOCK_slots; the arena's is taken under it for a
 * new slab or an empty one). Runs need the arena's lock alone. Never in a signal handler.
 *
 * A slab is a run of 1 to 8 pages whose entries are all RUN_SLOTS; each says how far
 * from the first it stands, the first has a bit for each slot in use. The number of a
 * slot's sample stands in a block of words apart, one block a slab: nothing is written into
 * pages that the program writes to. Slots are taken lowest first and from the slab
 * that was used last, so few pages are touched; an empty slab goes back to its arena.
 */
#include "pool/apart.h"

#include <string.h>

#include "pool/arenas.h"
#include "pool/pool.h"

/* 32 to 128 in steps of 16, then four a doubling up to 4096. */
#define CLASSES 27
#define SLOT_BYTES_MAX PAGE_BYTES
#define SLOTS_MAX 128

/* Blocks of words: reserved at the first need, committed in steps. */
#define BLOCKS_MAX ((uint32_t)16384)
#define BLOCKS_STEP ((uint32_t)128)
#define BLOCK_BYTES (SLOTS_MAX * sizeof(uint32_t))

/* A run grows by so much more than is asked for, since growing once it will again. */
#define GROWTH 1.25
/* What has outgrown its place goes where so many times its size lie free behind it. */
#define ROOM 3

static const struct {
	uint16_t bytes;
	uint8_t pages; /* of the slab: eight slots or more, and little left over */
} classes[CLASSES] = {{32, 1}, {48, 1}, {64, 1}, {80, 1}, {96, 1}, {112, 1}, {128, 1}, {160, 1}, {192, 1},
    {224, 1}, {256, 1}, {320, 1}, {384, 1}, {448, 1}, {512, 1}, {640, 2}, {768, 3}, {896, 2}, {1024, 2},
    {1280, 5}, {1536, 3}, {1792, 4}, {2048, 4}, {2560, 5}, {3072, 6}, {3584, 7}, {4096, 8}};

static struct {
	struct lock lock;	   /* LOCK_slots; all of the slabs' entries and the following */
	uint32_t partial[CLASSES]; /* first pages of slabs with a free slot; 0 none */
	uint32_t *blocks;	   /* the words; NULL: none reserved yet */
	uint32_t block_frontier;
	uint32_t block_free; /* blocks that were given back, linked by their first words, plus one; 0 ends */
	/* Written under lock, read without by the dump. */
	uint64_t objects, bytes, slab_pages;
	/* Relaxed; statistics. */
	_Alignas(CACHE_LINE) _Atomic uint64_t run_objects, run_pages, refused;
} apart;

void apart_init(void)
{
	memset((void *)&apart, 0, sizeof(apart));
}

static unsigned slot_count(unsigned class)
{
	return MIN((unsigned)(classes[class].pages * PAGE_BYTES / classes[class].bytes), (unsigned)SLOTS_MAX);
}

/* Within reach of alignment: slots start at multiples of their size from a page's start. */
static unsigned class_for(size_t size, size_t alignment)
{
	unsigned class = 0;

	while (class < CLASSES && (classes[class].bytes < size || classes[class].bytes % alignment != 0))
		class ++;
	return class;
}

/* --- the words --------------------------------------------------------------- */

static uint32_t *words_of(const struct run *head)
{
	return apart.blocks + (size_t)head->pages * SLOTS_MAX;
}

/* The number of a block, zeroed; BLOCKS_MAX: none. */
static uint32_t block_take(void)
{
	uint32_t block = apart.block_frontier;

	if (apart.blocks == NULL)
		apart.blocks = sys_reserve(BLOCKS_MAX * BLOCK_BYTES);
	if (apart.blocks == NULL)
		return BLOCKS_MAX;
	if (apart.block_free != 0) {
		block = apart.block_free - 1;
		apart.block_free = apart.blocks[(size_t)block * SLOTS_MAX];
		apart.blocks[(size_t)block * SLOTS_MAX] = 0;
		return block;
	}
	if (block == BLOCKS_MAX)
		return BLOCKS_MAX;
	if (block % BLOCKS_STEP == 0 &&
	    !sys_commit((char *)apart.blocks + block * BLOCK_BYTES, BLOCKS_STEP * BLOCK_BYTES))
		return BLOCKS_MAX;
	STORE_RELAXED(&apart.block_frontier, block + 1);
	return block;
}

/* All of its words are 0: no slot is in use. */
static void block_give(uint32_t block)
{
	apart.blocks[(size_t)block * SLOTS_MAX] = apart.block_free;
	apart.block_free = block + 1;
}

/* --- slabs ------------------------------------------------------------------- */

static void list_insert(uint32_t page)
{
	struct run *slab = run_at(page);
	uint32_t *head = &apart.partial[slab->size_class];

	slab->slots.next = *head;
	slab->slots.prev = 0;
	if (*head != 0)
		run_at(*head)->slots.prev = page;
	*head = page;
}

static void list_remove(uint32_t page)
{
	struct run *slab = run_at(page);

	if (slab->slots.next != 0)
		run_at(slab->slots.next)->slots.prev = slab->slots.prev;
	if (slab->slots.prev != 0)
		run_at(slab->slots.prev)->slots.next = slab->slots.next;
	else
		apart.partial[slab->size_class] = slab->slots.next;
}

static uint32_t slab_create(unsigned class)
{
	uint32_t pages = classes[class].pages, block = block_take(), first;
	bool was_cold;

	if (block == BLOCKS_MAX)
		return 0;
	first = arenas_take_pages(pages, LOAD_RELAXED(&pool.now), &was_cold);
	if (first == 0) {
		block_give(block);
		return 0;
	}
	for (uint32_t i = pages; i-- > 0;) {
		struct run *run = run_at(first + i);

		run->size_class = (uint8_t) class;
		run->offset = (uint16_t)i;
		run->pages = block;
		run->slots.used[0] = run->slots.used[1] = 0;
		STORE_RELAXED(&run->state, RUN_SLOTS);
	}
	STORE_RELAXED(&apart.slab_pages, apart.slab_pages + pages);
	list_insert(first);
	return first;
}

static void slab_remove(uint32_t first)
{
	struct run *head = run_at(first);
	uint32_t pages = classes[head->size_class].pages;

	list_remove(first);
	block_give(head->pages);
	for (uint32_t i = 0; i < pages; i++)
		STORE_RELAXED(&run_at(first + i)->state, RUN_NONE);
	STORE_RELAXED(&apart.slab_pages, apart.slab_pages - pages);
	arenas_give_pages(first, pages, LOAD_RELAXED(&pool.now));
}

static bool is_full(const struct run *head)
{
	unsigned count = slot_count(head->size_class);

	if (count <= 64)
		return head->slots.used[0] == (count == 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1);
	return head->slots.used[0] == ~(uint64_t)0 &&
	       head->slots.used[1] == (count == 128 ? ~(uint64_t)0 : ((uint64_t)1 << (count - 64)) - 1);
}

static unsigned lowest_free(const struct run *head)
{
	if (~head->slots.used[0] != 0)
		return (unsigned)__builtin_ctzll(~head->slots.used[0]);
	return 64 + (unsigned)__builtin_ctzll(~head->slots.used[1]);
}

static void *slot_take(unsigned class)
{
	uint32_t first;
	struct run *head;
	unsigned slot;

	lock_acquire(&apart.lock);
	first = apart.partial[class];
	if (first == 0)
		first = slab_create(class);
	if (first == 0) {
		lock_release(&apart.lock);
		return NULL;
	}
	head = run_at(first);
	slot = lowest_free(head);
	head->slots.used[slot / 64] |= (uint64_t)1 << slot % 64;
	if (is_full(head))
		list_remove(first);
	STORE_RELAXED(&apart.objects, apart.objects + 1);
	STORE_RELAXED(&apart.bytes, apart.bytes + classes[class].bytes);
	lock_release(&apart.lock);
	return (char *)page_address(first) + (size_t)slot * classes[class].bytes;
}

/* --- slots by address -------------------------------------------------------- */

struct place {
	uint32_t first;
	unsigned slot;
};

/* False: no slot starts there. The lock is held, or p is a slot in use of the caller's. */
static bool find_slot(const struct run *run, const void *p, struct place *place)
{
	uint32_t page = (uint32_t)(run - range.runs);
	unsigned bytes = classes[run->size_class].bytes;
	size_t within;

	place->first = page - run->offset;
	within = (size_t)((const char *)p - (const char *)page_address(place->first));
	place->slot = (unsigned)(within / bytes);
	return within % bytes == 0 && place->slot < slot_count(run->size_class);
}

static bool is_slot_used(const struct place *place)
{
	return (run_at(place->first)->slots.used[place->slot / 64] >> place->slot % 64 & 1) != 0;
}

static bool slot_free(struct run *run, void *p, uint32_t *sample)
{
	struct place place;
	struct run *head;
	bool was_full, is_empty;
	uint32_t *word;
	unsigned bytes;

	lock_acquire(&apart.lock);
	/* Under the lock the entry says what is there now: the same thing may be freed twice at once. */
	if (run->state != RUN_SLOTS || !find_slot(run, p, &place) || !is_slot_used(&place)) {
		lock_release(&apart.lock);
		return false;
	}
	head = run_at(place.first);
	bytes = classes[head->size_class].bytes;
	/* Before it can be another's. */
	if (pool.is_zeroing)
		memset(p, 0, bytes);
	word = &words_of(head)[place.slot];
	*sample = *word;
	STORE_RELAXED(word, 0);
	was_full = is_full(head);
	head->slots.used[place.slot / 64] &= ~((uint64_t)1 << place.slot % 64);
	STORE_RELAXED(&apart.objects, apart.objects - 1);
	STORE_RELAXED(&apart.bytes, apart.bytes - bytes);
	if (was_full)
		list_insert(place.first);
	is_empty = (head->slots.used[0] | head->slots.used[1]) == 0;
	if (is_empty)
		slab_remove(place.first);
	lock_release(&apart.lock);
	/* Its pages idle in the pool from now on, and count there. */
	if (is_empty)
		pool_keep_limit(0, LOAD_RELAXED(&pool.now));
	return true;
}

/* --- runs -------------------------------------------------------------------- */

/*
 * A program that set itself RLIMIT_AS wants large requests to fail past it, and our range was
 * reserved before. So where pages are not resident yet there has to be room for as much again as
 * jemalloc would map. Asked by calls that malloc makes anyway: a filter that a program put
 * on itself may kill for others. It costs a thousandth of the faults that follow.
 */
static bool is_within_address_space(size_t bytes)
{
	void *probe = sys_reserve(bytes);

	if (probe != NULL)
		sys_release(probe, bytes);
	return probe != NULL;
}

static void *run_take(size_t size, bool is_growing, bool *is_zero)
{
	uint32_t pages = (uint32_t)(ROUND_UP(size, PAGE_BYTES) >> PAGE_SHIFT), page, now;
	struct run *run;

	now = LOAD_RELAXED(&pool.now);
	page = is_growing ? arenas_take_roomy(pages, pages * ROOM, now, is_zero)
			  : arenas_take_pages(pages, now, is_zero);
	if (page == 0)
		return NULL;
	if (*is_zero && !is_within_address_space(size)) {
		arenas_return_cold(page, pages, now);
		return NULL;
	}
	run = run_at(page);
	run->size_class = 0;
	run->offset = 0;
	run->pages = pages;
	run->buffer.size = (uint32_t)size;
	run->buffer.created = now;
	run->buffer.last_used = now;
	run->buffer.use_count = 1;
	run->buffer.serial = 0;
	run->buffer.sample = 0;
	STORE_RELAXED(&run->state, RUN_APART);
	atomic_fetch_add_explicit(&apart.run_objects, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&apart.run_pages, pages, memory_order_relaxed);
	pool_keep_limit(pages, now);
	return page_address(page);
}

static bool run_free(struct run *run, void *p, uint32_t *sample)
{
	uint32_t page = (uint32_t)(run - range.runs), pages = run->pages;
	uint8_t state = RUN_APART;

	*sample = run->buffer.sample;
	if (pool.is_zeroing)
		memset(p, 0, run->buffer.size);
	/* Of two who free it at once one does; relaxed, the arena's lock orders what follows. */
	if (!__atomic_compare_exchange_n(
		&run->state, &state, RUN_NONE, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	atomic_fetch_sub_explicit(&apart.run_objects, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&apart.run_pages, pages, memory_order_relaxed);
	arenas_give_pages(page, pages, LOAD_RELAXED(&pool.now));
	pool_keep_limit(0, LOAD_RELAXED(&pool.now));
	return true;
}

static bool run_resize(struct run *run, void *p, size_t size)
{
	uint32_t page = (uint32_t)(run - range.runs), had = run->pages, length = had;
	uint32_t least = (uint32_t)(ROUND_UP(MAX(size, (size_t)1), PAGE_BYTES) >> PAGE_SHIFT);
	size_t wanted = (size_t)((double)size * GROWTH);

	if (size > APART_BYTES_MAX)
		return false;
	if (pool.is_zeroing && run->buffer.size > size)
		memset((char *)p + size, 0, run->buffer.size - size);
	if (least > had) {
		if (!hot_is_all(page + had, least - had) && !is_within_address_space(size))
			return false;
		length = arenas_extend(page, least, (uint32_t)(ROUND_UP(wanted, PAGE_BYTES) >> PAGE_SHIFT));
		if (length == 0)
			return false;
		pool_keep_limit(length - had, LOAD_RELAXED(&pool.now));
	} else if (least < had / 2) {
		arenas_trim(page, least, LOAD_RELAXED(&pool.now));
		length = least;
	}
	atomic_fetch_add_explicit(&apart.run_pages, (uint64_t)length - had, memory_order_relaxed);
	STORE_RELAXED(&run->buffer.size, (uint32_t)size);
	return true;
}

/* --- both -------------------------------------------------------------------- */

static void *or_refused(void *p)
{
	if (p == NULL)
		atomic_fetch_add_explicit(&apart.refused, 1, memory_order_relaxed);
	return p;
}

void *apart_take(size_t size, size_t alignment, bool *is_zero)
{
	unsigned class = size <= SLOT_BYTES_MAX ? class_for(size, alignment) : CLASSES;
	void *p = NULL;

	*is_zero = false;
	pool_look();
	if (range.bytes != 0 && alignment <= PAGE_BYTES && size <= APART_BYTES_MAX)
		p = class < CLASSES ? slot_take(class) : run_take(size, false, is_zero);
	return or_refused(p);
}

void *apart_take_growing(size_t size)
{
	bool is_zero;
	void *p = NULL;

	pool_look();
	if (range.bytes != 0 && size <= APART_BYTES_MAX)
		p = run_take(size, true, &is_zero);
	return or_refused(p);
}

bool apart_is_in_use(const struct run *run, const void *p)
{
	struct place place;
	bool is_used;

	if (run->state == RUN_APART)
		return ((uintptr_t)p & (PAGE_BYTES - 1)) == 0;
	/* If p is none, its slab may go at any time, but not under the lock. */
	lock_acquire(&apart.lock);
	is_used = run->state == RUN_SLOTS && find_slot(run, p, &place) && is_slot_used(&place);
	lock_release(&apart.lock);
	return is_used;
}

bool apart_free(struct run *run, void *p, uint32_t *sample)
{
	if (run->state == RUN_APART)
		return ((uintptr_t)p & (PAGE_BYTES - 1)) == 0 && run_free(run, p, sample);
	return slot_free(run, p, sample);
}

size_t apart_usable_bytes(const struct run *run)
{
	return run->state == RUN_APART ? (size_t)run->pages << PAGE_SHIFT : classes[run->size_class].bytes;
}

size_t apart_size(const struct run *run)
{
	return run->state == RUN_APART ? run->buffer.size : classes[run->size_class].bytes;
}

static uint32_t *word_of(const struct run *run, const void *p)
{
	struct place place;

	return find_slot(run, p, &place) ? &words_of(run_at(place.first))[place.slot] : NULL;
}

void apart_set_sample(struct run *run, const void *p, uint32_t sample)
{
	uint32_t *word = run->state == RUN_APART ? &run->buffer.sample : word_of(run, p);

	if (word != NULL)
		STORE_RELAXED(word, sample);
}

uint32_t apart_sample(const struct run *run, const void *p)
{
	const uint32_t *word = run->state == RUN_APART ? &run->buffer.sample : word_of(run, p);

	return word != NULL ? LOAD_RELAXED(word) : 0;
}

bool apart_resize(struct run *run, void *p, size_t size)
{
	unsigned bytes;

	if (run->state == RUN_APART)
		return size > SLOT_BYTES_MAX && !pool_wants(size) && run_resize(run, p, size);
	bytes = classes[run->size_class].bytes;
	if (size > bytes || size < bytes / 2)
		return false;
	if (pool.is_zeroing)
		memset((char *)p + size, 0, bytes - size);
	return true;
}

void apart_count(struct apart_stats *stats)
{
	*stats = (struct apart_stats){
	    .small_objects = LOAD_RELAXED(&apart.objects),
	    .small_bytes = LOAD_RELAXED(&apart.bytes),
	    .large_objects = atomic_load_explicit(&apart.run_objects, memory_order_relaxed),
	    .large_bytes = atomic_load_explicit(&apart.run_pages, memory_order_relaxed) << PAGE_SHIFT,
	    .slab_bytes = LOAD_RELAXED(&apart.slab_pages) << PAGE_SHIFT,
	    .metadata_bytes = LOAD_RELAXED(&apart.block_frontier) * BLOCK_BYTES,
	    .refused = atomic_load_explicit(&apart.refused, memory_order_relaxed),
	};
}

uint32_t apart_slab_pages(const struct run *run)
{
	return run->size_class < CLASSES ? classes[run->size_class].pages : 1;
}

/* --- fork -------------------------------------------------------------------- */

void apart_fork_prepare(void)
{
	lock_acquire(&apart.lock);
}

void apart_fork_done(bool is_child)
{
	if (is_child)
		lock_reset(&apart.lock);
	else
		lock_release(&apart.lock);
}
