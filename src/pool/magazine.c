/*
 * magazine.c -- what is not the hot path of the magazines: room, draining, locks.
 *
 * magazine_grow() runs on misses, without a lock: room is a hint, and the sum
 * of rooms is kept by relaxed adds, so that the budget is kept but for races that
 * the next miss mends. magazines_drain() closes CPUs one after the other: with the CPU's
 * entry in the table of areas turned to the area of zeros and one rseq fence behind it, no sequence on
 * any CPU can touch that CPU's stacks until it is turned back; meanwhile requests there go to the arenas.
 */
#include "pool/magazine.h"

#include "base/clock.h"
#include "pool/range.h"
#include "pool/tuning.h"

#define ROOM_BYTES_MAX ((size_t)8 << 20)
/* A drain for less than this is not worth a fence. */
#define DRAIN_BYTES_MIN ((size_t)64 << 10)
/* One miss of so many takes room from another class, which it finds within so many looks or not. */
#define STEAL_EVERY 8
#define STEAL_LOOKS 32
/* Where so many overflows came without a miss between them, nobody allocates. */
#define FREEING_COUNT 8
#define ROW_MAX 7u
#define ROW_OF_OVERFLOWS 0x80u
/* A CPU without a miss or an overflow for so long gives up what idles there, to one that wants room: an eighth of a
 * second, within which a thread that works comes back. */
#define QUIET_TICKS (TICKS_PER_SECOND / 8)
/* Areas of zeros, so that a CPU may be closed thousands of times at once. */
#define ZERO_AREAS 2
#define CLOSED_STEP 8

struct magazines magazines;

static size_t table_bytes(unsigned cpu_bound)
{
	return ROUND_UP((RSEQ_AREAS_BEFORE + cpu_bound) * sizeof(char *), PAGE_BYTES);
}

size_t magazines_memory(unsigned cpu_bound)
{
	return table_bytes(cpu_bound) + ((size_t)(ZERO_AREAS + cpu_bound) << RSEQ_AREA_SHIFT);
}

struct magazine_cpu *magazine_cpu_at(unsigned cpu)
{
	return (struct magazine_cpu *)(void *)(magazines.areas + ((size_t)cpu << RSEQ_AREA_SHIFT));
}

char *magazine_area(unsigned cpu)
{
	return (char *)magazine_cpu_at(cpu) + MAGAZINE_BYTES;
}

/* Nothing is ever written there: stacks without items and without room. */
static char *area_of_zeros(void)
{
	return magazines.areas - ZERO_AREAS * RSEQ_AREA_BYTES;
}

void magazines_init(void *memory, unsigned cpu_bound)
{
	char **table = memory;

	magazines.areas = (char *)memory + table_bytes(cpu_bound) + ZERO_AREAS * RSEQ_AREA_BYTES;
	magazines.cpu_bound = cpu_bound;
	magazines.cpus_usable = sys_cpu_usable();
	magazines.is_rseq = rseq_find(&magazines.cpus.offset);
	for (unsigned i = 0; i < RSEQ_AREAS_BEFORE; i++)
		table[i] = area_of_zeros();
	magazines.cpus.areas = table + RSEQ_AREAS_BEFORE;
	for (unsigned cpu = 0; cpu < cpu_bound; cpu++)
		magazines.cpus.areas[cpu] = magazine_area(cpu);
}

/*
 * A CPU's entry in the table: its area, or, while it is closed, the zeros, further in by a step for each time,
 * since it may be drained and lent at once. One word, so that none sees it open in between. Async-signal-safe.
 */
static void close_cpu(unsigned cpu)
{
	char **entry = &magazines.cpus.areas[cpu], *seen = LOAD_RELAXED(entry), *next;

	do
		next = (seen == magazine_area(cpu) ? area_of_zeros() : seen) + CLOSED_STEP;
	while (!__atomic_compare_exchange_n(entry, &seen, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

/* Release: a sequence that loads the area loads its stack through it; pairs with that dependency. */
static void open_cpu(unsigned cpu)
{
	char **entry = &magazines.cpus.areas[cpu], *seen = LOAD_RELAXED(entry), *next;

	do
		next = seen == area_of_zeros() + CLOSED_STEP ? magazine_area(cpu) : seen - CLOSED_STEP;
	while (!__atomic_compare_exchange_n(entry, &seen, next, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

static struct rseq_stack *stack_at(unsigned cpu, unsigned class)
{
	return (struct rseq_stack *)(void *)(magazine_area(cpu) + MAGAZINE_OFFSET(class));
}

unsigned magazine_cpu_current(void)
{
	int cpu = magazines.is_rseq ? rseq_cpu(&magazines.cpus) : -1;

	return cpu >= 0 ? (unsigned)cpu : sys_cpu_current() % magazines.cpu_bound;
}

uint32_t magazine_pop_any(unsigned class)
{
	unsigned cpu;
	struct rseq_stack *stack;
	uint32_t page = 0;

	if (magazines.is_rseq)
		return place_page(magazine_pop(class));
	cpu = magazine_cpu_current();
	stack = stack_at(cpu, class);
	lock_acquire(&magazine_cpu_at(cpu)->lock);
	if (stack->count != 0) {
		page = place_page(stack->items[stack->count - 1]);
		STORE_RELAXED(&stack->count, stack->count - 1);
	}
	lock_release(&magazine_cpu_at(cpu)->lock);
	return page;
}

bool magazine_push_any(unsigned class, uint32_t page)
{
	unsigned cpu;
	struct rseq_stack *stack;
	bool is_pushed = false;

	if (magazines.is_rseq)
		return magazine_push(class, place_at(page));
	cpu = magazine_cpu_current();
	stack = stack_at(cpu, class);
	lock_acquire(&magazine_cpu_at(cpu)->lock);
	if (stack->count < LOAD_RELAXED(&stack->room)) {
		stack->items[stack->count] = place_at(page);
		STORE_RELAXED(&stack->count, stack->count + 1);
		is_pushed = true;
	}
	lock_release(&magazine_cpu_at(cpu)->lock);
	return is_pushed;
}

static uint32_t room_max(unsigned class)
{
	size_t bytes = size_class_bytes(class);

	/* Most classes are short, and a division is as long as much of a miss. */
	if (bytes <= ROOM_BYTES_MAX / MAGAZINE_ITEMS_MAX)
		return MAGAZINE_ITEMS_MAX;
	return (uint32_t)(ROOM_BYTES_MAX / bytes);
}

/*
 * Room is changed by anybody who missed on that CPU, also by a thread that has moved on
 * since: so by compare and swap, bounded by what is there. It never passes room_max(), or a
 * push would write into the next magazine. room_bytes is taken before room and returned
 * after it, so it is never less than the sum of the rooms.
 */
static void take_bytes(struct magazine_cpu *head, uint64_t bytes)
{
	if (bytes != 0 && add_relaxed(&head->room_bytes, bytes) == bytes) {
		atomic_fetch_add_explicit(&magazines.cpus_used, 1, memory_order_relaxed);
		atomic_store_explicit(&head->is_used, true, memory_order_relaxed);
	}
}

static void return_bytes(struct magazine_cpu *head, uint64_t bytes)
{
	if (bytes != 0 && add_relaxed(&head->room_bytes, -bytes) == 0)
		atomic_fetch_sub_explicit(&magazines.cpus_used, 1, memory_order_relaxed);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the compare writes what it met */
static bool swap_room(struct rseq_stack *stack, uint32_t *seen, uint32_t room)
{
	return __atomic_compare_exchange_n(
	    &stack->room, seen, room, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Noted first where room comes, and last where the last of it goes: one who adds meanwhile may be forgotten once. */
static void note_class(struct magazine_cpu *head, unsigned class, bool has_room)
{
	_Atomic uint64_t *word = &head->has_room[class / 64];
	uint64_t bit = (uint64_t)1 << class % 64;

	if (((atomic_load_explicit(word, memory_order_relaxed) & bit) != 0) != has_room)
		atomic_fetch_xor_explicit(word, bit, memory_order_relaxed);
}

static void add_room(unsigned cpu, unsigned class, uint32_t more)
{
	struct magazine_cpu *head = magazine_cpu_at(cpu);
	struct rseq_stack *stack = stack_at(cpu, class);
	uint32_t room = LOAD_RELAXED(&stack->room), max = room_max(class), added;

	note_class(head, class, true);
	take_bytes(head, more * size_class_bytes(class));
	do
		added = MIN(more, max - MIN(room, max));
	while (!swap_room(stack, &room, room + added));
	return_bytes(head, (more - added) * size_class_bytes(class));
}

static void drop_room(unsigned cpu, unsigned class, uint32_t less)
{
	struct rseq_stack *stack = stack_at(cpu, class);
	uint32_t room = LOAD_RELAXED(&stack->room), dropped;

	do
		dropped = MIN(less, room);
	while (!swap_room(stack, &room, room - dropped));
	if (dropped == room)
		note_class(magazine_cpu_at(cpu), class, false);
	return_bytes(magazine_cpu_at(cpu), dropped * size_class_bytes(class));
}

struct magazine_budget magazine_budget(uint64_t out_bytes, unsigned cpus)
{
	uint64_t all = MAX(out_bytes / MAGAZINE_SHARE, MAGAZINES_BYTES_MIN);
	/* Half of what is out of the heap is as much as is in use, if the other half idles in magazines. */
	uint64_t floors = MAX(out_bytes / 2, MAGAZINE_BUDGET_MIN * MAGAZINE_FLOORS_FREE);
	uint64_t least = MIN(floors / cpus, MAGAZINE_BUDGET_MIN);

	return (struct magazine_budget){
	    .bytes = MIN(MAX(all / cpus, least), MAGAZINE_BUDGET_MAX),
	    .sole_bytes = MIN(MAX(all * 3 / 2 / cpus, least), MAGAZINE_BUDGET_MAX),
	};
}

/* How many bytes of room more the CPU may have; own_bytes: what the asking class has. */
static uint64_t budget_left(const struct magazine_cpu *head, uint64_t own_bytes)
{
	uint64_t budget = atomic_load_explicit(&magazines.budget_bytes, memory_order_relaxed);
	uint64_t room = atomic_load_explicit(&head->room_bytes, memory_order_relaxed);

	if (own_bytes > budget / 2)
		budget =
		    MAX(budget, atomic_load_explicit(&magazines.sole_budget_bytes, memory_order_relaxed));
	return budget - MIN(budget, room);
}

/* Another class gives up half of its room, and what it holds beyond the rest. */
static void steal(unsigned cpu, unsigned class, struct magazine_evicted *evicted)
{
	struct magazine_cpu *head = magazine_cpu_at(cpu);
	unsigned hand = LOAD_RELAXED(&head->hand);

	for (unsigned looks = 0; looks < STEAL_LOOKS; looks++) {
		unsigned other = hand++ % SIZE_CLASSES;
		struct rseq_stack *stack = stack_at(cpu, other);
		uint32_t room = LOAD_RELAXED(&stack->room), page;

		if (other == class || room == 0)
			continue;
		drop_room(cpu, other, room - room / 2);
		while (LOAD_RELAXED(&stack->count) > room / 2 && evicted->count < MAGAZINE_ITEMS_MAX &&
		       (page = magazine_pop_any(other)) != 0)
			evicted->pages[evicted->count++] = page;
		break;
	}
	STORE_RELAXED(&head->hand, hand);
}

/*
 * While the budget lasts, room doubles. After that it is taken from other classes, at every
 * so many misses only: a working set that no budget holds should not pay for trying.
 */
uint32_t magazine_grow(unsigned cpu, unsigned class, struct magazine_evicted *evicted)
{
	struct magazine_cpu *head = magazine_cpu_at(cpu);
	uint32_t room = LOAD_RELAXED(&stack_at(cpu, class)->room), max = room_max(class);
	uint32_t more = MIN(MAX(room, 1u), max - MIN(room, max)), misses;
	size_t bytes = size_class_bytes(class);

	uint64_t left = budget_left(head, room * bytes);

	evicted->count = 0;
	evicted->is_short = more != 0 && bytes > left;
	while (more > 1 && more * bytes > left)
		more /= 2;
	if (evicted->is_short) {
		/* Where all the room is its own there is none to take. */
		if (atomic_load_explicit(&head->room_bytes, memory_order_relaxed) <= room * bytes)
			return room;
		misses = LOAD_RELAXED(&head->misses);
		STORE_RELAXED(&head->misses, misses + 1);
		if (misses % STEAL_EVERY != 0)
			return room;
		steal(cpu, class, evicted);
		if (bytes > budget_left(head, room * bytes))
			return room;
	}
	if (more != 0)
		add_room(cpu, class, more);
	return room + more;
}

/*
 * What circulates between a magazine and its CPU's threads settles at what these need, if it changes by
 * one at a time while misses and overflows take turns; half a magazine each time would go
 * to and fro for ever.
 */
static unsigned batch_after(struct magazine_cpu *head, unsigned class, unsigned kind)
{
	unsigned row = LOAD_RELAXED(&head->row[class]);
	unsigned length = (row & ROW_OF_OVERFLOWS) == kind ? MIN((row & ~ROW_OF_OVERFLOWS) + 1, ROW_MAX) : 1;

	STORE_RELAXED(&head->row[class], (uint8_t)(kind | length));
	return 1u << (length - 1);
}

unsigned magazine_note_miss(unsigned cpu, unsigned class)
{
	struct magazine_cpu *head = magazine_cpu_at(cpu);

	STORE_RELAXED(&head->overflows, 0);
	return batch_after(head, class, 0);
}

unsigned magazine_note_overflow(unsigned cpu, unsigned class)
{
	struct magazine_cpu *head = magazine_cpu_at(cpu);

	STORE_RELAXED(&head->overflows, LOAD_RELAXED(&head->overflows) + 1);
	return batch_after(head, class, ROW_OF_OVERFLOWS);
}

bool magazine_is_freeing(unsigned cpu)
{
	return LOAD_RELAXED(&magazine_cpu_at(cpu)->overflows) > FREEING_COUNT;
}

unsigned magazine_lacks(unsigned cpu, unsigned class)
{
	const struct rseq_stack *stack = stack_at(cpu, class);

	return LOAD_RELAXED(&stack->count) == 0 ? LOAD_RELAXED(&stack->room) : 0;
}

unsigned magazine_sweep(unsigned cpu, uint32_t *pages, unsigned max)
{
	struct magazine_cpu *head = magazine_cpu_at(cpu);
	unsigned count = 0;

	for (unsigned word = 0; word < ARRAY_LENGTH(head->has_room); word++) {
		uint64_t bits = atomic_load_explicit(&head->has_room[word], memory_order_relaxed);

		for (; bits != 0 && count < max; bits &= bits - 1) {
			unsigned class = word * 64 + (unsigned)__builtin_ctzll(bits);
			uint32_t page;

			while (LOAD_RELAXED(&stack_at(cpu, class)->count) != 0 && count < max &&
			       (page = magazine_pop_any(class)) != 0)
				pages[count++] = page;
		}
	}
	return count;
}

uint64_t magazines_count(void)
{
	uint64_t count = 0;

	for (unsigned cpu = 0; cpu < magazines.cpu_bound; cpu++) {
		if (!atomic_load_explicit(&magazine_cpu_at(cpu)->is_used, memory_order_relaxed))
			continue;
		for (unsigned class = 0; class < SIZE_CLASSES; class ++)
			count += LOAD_RELAXED(&stack_at(cpu, class)->count);
	}
	return count;
}

/* The bottom of a stack is what was idle longest: how many items from there on are too old. A guess
 * while the CPU is not closed. */
UNLOCKED_READER static uint32_t stale_items(const struct rseq_stack *stack, uint32_t now, uint32_t idle_ticks)
{
	uint32_t count = MIN(LOAD_RELAXED(&stack->count), (uint32_t)MAGAZINE_ITEMS_MAX), stale = 0;

	while (stale < count) {
		uint32_t page = place_page(LOAD_RELAXED(&stack->items[stale]));

		if (page == 0 || page >= range_committed())
			break;
		if ((int32_t)(now - LOAD_RELAXED(&run_at(page)->buffer.last_used)) < (int32_t)idle_ticks)
			break;
		stale++;
	}
	return stale;
}

static uint64_t stale_bytes(unsigned cpu, uint32_t now, uint32_t idle_ticks)
{
	uint64_t bytes = 0;

	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		const struct rseq_stack *stack = stack_at(cpu, class);

		if (LOAD_RELAXED(&stack->count) != 0)
			bytes += (uint64_t)stale_items(stack, now, idle_ticks) * size_class_bytes(class);
	}
	return bytes;
}

/* The CPU is closed, and fenced, or its lock is held. */
static void drain_cpu(
    unsigned cpu, uint32_t now, uint32_t idle_ticks, void (*give)(uint32_t *pages, unsigned count))
{
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		struct rseq_stack *stack = stack_at(cpu, class);
		uint32_t pages[MAGAZINE_ITEMS_MAX];
		uint32_t stale = stale_items(stack, now, idle_ticks);
		uint32_t count = stack->count;

		if (stale == 0)
			continue;
		for (uint32_t i = 0; i < count; i++) {
			if (i < stale)
				pages[i] = place_page(stack->items[i]);
			else
				stack->items[i - stale] = stack->items[i];
		}
		STORE_RELAXED(&stack->count, count - stale);
		drop_room(cpu, class, stale);
		give(pages, stale);
	}
}

/*
 * Without a fence: what sequences of our own can take on the CPU that we happen to run on. A stack of which
 * the top is stale is so down to its bottom. Whether there was any.
 */
static bool drain_here(uint32_t now, uint32_t idle_ticks, void (*give)(uint32_t *pages, unsigned count))
{
	unsigned cpu = magazine_cpu_current();
	bool is_any = false;

	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		uint32_t pages[MAGAZINE_ITEMS_MAX], page;
		unsigned count = 0;

		while (count < MAGAZINE_ITEMS_MAX && (page = magazine_pop_any(class)) != 0) {
			if ((int32_t)(now - run_at(page)->buffer.last_used) >= (int32_t)idle_ticks) {
				pages[count++] = page;
				continue;
			}
			if (!magazine_push_any(class, page))
				give(&page, 1);
			break;
		}
		if (count == 0)
			continue;
		drop_room(cpu, class, count);
		give(pages, count);
		is_any = true;
	}
	return is_any;
}

/* False: there is no fence to be had. */
static bool drain_fenced(
    unsigned cpu, uint32_t now, uint32_t idle_ticks, void (*give)(uint32_t *pages, unsigned count))
{
	struct lock *lock = &magazine_cpu_at(cpu)->lock;
	bool is_fenced;

	if (!magazines.is_rseq) {
		lock_acquire(lock);
		drain_cpu(cpu, now, idle_ticks, give);
		lock_release(lock);
		return true;
	}
	close_cpu(cpu);
	/* The fence is a full barrier on that CPU, if it runs us: pairs with nothing else. */
	is_fenced = sys_rseq_fence(cpu);
	if (is_fenced)
		drain_cpu(cpu, now, idle_ticks, give);
	open_cpu(cpu);
	return is_fenced;
}

bool magazines_drain(uint32_t now, uint32_t idle_ticks, void (*give)(uint32_t *pages, unsigned count))
{
	bool is_allowed = !magazines.is_rseq;

	for (unsigned cpu = 0; cpu < magazines.cpu_bound; cpu++) {
		/* A stack may be over its room, so where there is no room any more there may be items. */
		if (!atomic_load_explicit(&magazine_cpu_at(cpu)->is_used, memory_order_relaxed) ||
		    stale_bytes(cpu, now, idle_ticks) < (idle_ticks == 0 ? 1 : DRAIN_BYTES_MIN))
			continue;
		if (!is_allowed && !sys_may_fence())
			return drain_here(now, idle_ticks, give);
		is_allowed = true;
		if (!drain_fenced(cpu, now, idle_ticks, give))
			return drain_here(now, idle_ticks, give);
	}
	return true;
}

static bool is_quiet(const struct magazine_cpu *head, uint32_t now)
{
	return atomic_load_explicit(&head->is_used, memory_order_relaxed) &&
	       atomic_load_explicit(&head->room_bytes, memory_order_relaxed) >= DRAIN_BYTES_MIN &&
	       (int32_t)(now - LOAD_RELAXED(&head->slow_at)) >= QUIET_TICKS;
}

bool magazines_gather(unsigned cpu, uint32_t now, void (*give)(uint32_t *pages, unsigned count))
{
	unsigned other = 0;

	while (other < magazines.cpu_bound && (other == cpu || !is_quiet(magazine_cpu_at(other), now)))
		other++;
	if (other == magazines.cpu_bound)
		return false;
	STORE_RELAXED(&magazine_cpu_at(other)->slow_at, now);
	if (stale_bytes(other, now, QUIET_TICKS) >= DRAIN_BYTES_MIN &&
	    ((magazines.is_rseq && !sys_may_fence()) || !drain_fenced(other, now, QUIET_TICKS, give)))
		return false;
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		const struct rseq_stack *stack = stack_at(other, class);
		uint32_t room = LOAD_RELAXED(&stack->room), count = LOAD_RELAXED(&stack->count);

		if (room > count)
			drop_room(other, class, room - count);
	}
	return true;
}

uint32_t magazines_lend(void)
{
	int cpu = magazines.is_rseq ? rseq_cpu(&magazines.cpus) : -1;

	if (cpu < 0)
		return 0;
	/* Relaxed: who lends meets it by the order of its own code. Others may go on there: it does not. */
	close_cpu((unsigned)cpu);
	return (uint32_t)cpu + 1;
}

void magazines_take_back(uint32_t lent)
{
	if (lent != 0)
		open_cpu(lent - 1);
}

void magazines_fork_prepare(void)
{
	for (unsigned cpu = 0; !magazines.is_rseq && cpu < magazines.cpu_bound; cpu++)
		lock_acquire(&magazine_cpu_at(cpu)->lock);
}

void magazines_fork_done(bool is_child)
{
	for (unsigned cpu = 0; !magazines.is_rseq && cpu < magazines.cpu_bound; cpu++) {
		if (is_child)
			lock_reset(&magazine_cpu_at(cpu)->lock);
		else
			lock_release(&magazine_cpu_at(cpu)->lock);
	}
	/* Read first: pages that nobody used stay as they are. */
	for (unsigned cpu = 0; is_child && cpu < magazines.cpu_bound; cpu++)
		if (LOAD_RELAXED(&magazines.cpus.areas[cpu]) != magazine_area(cpu))
			STORE_RELAXED(&magazines.cpus.areas[cpu], magazine_area(cpu));
}
