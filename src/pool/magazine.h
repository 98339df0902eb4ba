/*
 * magazine.h -- idle buffers in front of the heap, by CPU and size class.
 *
 * A magazine is a stack of places (range.h). Its room (how many it may hold) follows
 * misses within a budget of bytes for the CPU; a magazine that is full or empty
 * sends the caller to the arenas. Buffers in magazines are RUN_IDLE.
 *
 * With restartable sequences nobody locks. Without (old glibc, glibc.pthread.rseq=0,
 * ThreadSanitizer) the same stacks are moved under a lock per CPU.
 */
#ifndef WEIR_POOL_MAGAZINE_H
#define WEIR_POOL_MAGAZINE_H

#include "base/lock.h"
#include "base/rseq.h"
#include "pool/size_class.h"

#define MAGAZINE_BYTES ((size_t)256)
#define MAGAZINE_ITEMS_MAX 62
/* From where the table of areas points to, behind the head. */
#define MAGAZINE_OFFSET(class) ((size_t)(class) * MAGAZINE_BYTES)

_Static_assert(
    MAGAZINE_BYTES + MAGAZINE_OFFSET(SIZE_CLASSES) <= RSEQ_AREA_BYTES, "a CPU's magazines fit its area");

/* At the start of a CPU's area. */
struct magazine_cpu {
	uint32_t hand;	      /* which class gives up room next; relaxed, a hint */
	uint32_t slow_paths;  /* misses and overflows here; relaxed, a rough count */
	uint32_t misses;      /* that found the budget used up; relaxed, a hint */
	uint32_t slow_at;     /* ticks; of the last of both; relaxed, a hint */
	uint32_t overflows;   /* since the last miss; relaxed, a hint */
	_Atomic bool is_used; /* had room or credit once, so there may be items; relaxed, never taken back */
	_Atomic uint64_t
	    room_bytes;	  /* sum over the classes of room times size; relaxed, a bound kept roughly */
	struct lock lock; /* where there are no sequences */
	/* Returned here, and not taken again yet: still counted as out of the heap (limits.c); relaxed, a count. */
	_Atomic uint64_t credit_pages;
	/* A bit a class: it has room, so maybe items; relaxed, a hint for who would look at all of them. */
	_Atomic uint64_t has_room[2];
	/* Of each class: misses in a row, or, with ROW_OF_OVERFLOWS, overflows; relaxed, a hint. */
	uint8_t row[SIZE_CLASSES];
};

_Static_assert(SIZE_CLASSES <= 2 * 64, "a bit a class");
_Static_assert(sizeof(struct magazine_cpu) <= MAGAZINE_BYTES, "the head fits before the first magazine");

struct magazines {
	/* Frozen. */
	struct rseq_cpus cpus; /* its table: by compare and swap, to close a CPU to sequences */
	char *areas;	       /* the CPUs', in a row; before them the one where all misses */
	unsigned cpu_bound;    /* areas that there are */
	unsigned cpus_usable;  /* that the process might run on when it started */
	bool is_rseq;
	/* Shared. */
	/* A CPU's, and that of one whose room is mostly one class's; relaxed, bounds kept roughly. */
	_Atomic uint64_t budget_bytes, sole_budget_bytes;
	_Atomic unsigned cpus_used;   /* whose magazines have room; relaxed, a hint */
	_Atomic uint32_t gathered_at; /* ticks; of the last magazines_gather(); relaxed, a hint */
};

extern HIDDEN struct magazines magazines;

size_t magazines_memory(unsigned cpu_bound);
/* memory: zeroed, magazines_memory() long. */
void magazines_init(void *memory, unsigned cpu_bound);

/* The place of a buffer; 0: none. */
INLINE uint32_t magazine_pop(unsigned class)
{
	struct rseq_cpus cpus = magazines.cpus;

	return rseq_pop(&cpus, MAGAZINE_OFFSET(class));
}

INLINE bool magazine_push(unsigned class, uint32_t place)
{
	struct rseq_cpus cpus = magazines.cpus;

	return rseq_push(&cpus, MAGAZINE_OFFSET(class), place);
}

/* The same by whichever way there is, by the buffer's page. */
uint32_t magazine_pop_any(unsigned class);
bool magazine_push_any(unsigned class, uint32_t page);

struct magazine_cpu *magazine_cpu_at(unsigned cpu);
/* What the table of areas says of a CPU that is not closed. */
char *magazine_area(unsigned cpu);
unsigned magazine_cpu_current(void);

struct magazine_budget {
	uint64_t bytes, sole_bytes; /* as in struct magazines */
};

/*
 * A CPU's share, where so many CPUs are in use and so much is out of the heap. Each has a least, whose sum is
 * bounded where CPUs are many: by what MAGAZINE_FLOORS_FREE of them have, or by what is in use.
 */
struct magazine_budget magazine_budget(uint64_t out_bytes, unsigned cpus);

/* What had to leave a magazine; the caller gives it to the arenas. */
struct magazine_evicted {
	bool is_short; /* the budget had nothing left */
	unsigned count;
	uint32_t pages[MAGAZINE_ITEMS_MAX];
};

/* A miss or an overflow: more room, within the budget or at other classes' cost. Returns the room. */
uint32_t magazine_grow(unsigned cpu, unsigned class, struct magazine_evicted *evicted);

/*
 * A miss, or an overflow, there. Returns how many buffers to move at once: one at first, and
 * twice as many each time that the same happens again without the other between.
 */
unsigned magazine_note_miss(unsigned cpu, unsigned class);
unsigned magazine_note_overflow(unsigned cpu, unsigned class);
/* Whether for long there were overflows and no miss of any class, so that its threads only free. */
bool magazine_is_freeing(unsigned cpu);

/* How many an empty magazine could hold; 0: it is not empty. A guess, if another CPU's. */
unsigned magazine_lacks(unsigned cpu, unsigned class);

/* Take up to max items out of all of this CPU's magazines, other classes' too. Returns how many. */
unsigned magazine_sweep(unsigned cpu, uint32_t *pages, unsigned max);

/* How many items all magazines hold; a guess. */
uint64_t magazines_count(void);

/*
 * Take out of every CPU's magazines what has been idle since before oldest_kept
 * (ticks), and hand it to give() in batches. The maintain lock is held. Where no fence for sequences is to be
 * had (sys_may_fence()), only the caller's CPU's. False: so it was, and there was nothing.
 */
bool magazines_drain(uint32_t now, uint32_t idle_ticks, void (*give)(uint32_t *pages, unsigned count));

/*
 * That CPU wants room beyond its budget: where another is quiet, because its threads have moved or rest, what is stale
 * there is handed to give(), and the room goes back to the budget, but for what is still full. One CPU at a time. The
 * maintain lock is held. False: none is quiet, or no fence is to be had.
 */
bool magazines_gather(unsigned cpu, uint32_t now, void (*give)(uint32_t *pages, unsigned count));

/*
 * The caller has no struct rseq that the kernel keeps, but reads that of another thread, which waits (a child of
 * vfork): its CPU is closed, to all, until it is taken back. Returns what to give then; 0: nothing is to be.
 * Async-signal-safe.
 */
uint32_t magazines_lend(void);
void magazines_take_back(uint32_t lent);

/* Around fork: without sequences all CPUs' locks. In a child what other threads had lent is open again. */
void magazines_fork_prepare(void);
void magazines_fork_done(bool is_child);

#endif
